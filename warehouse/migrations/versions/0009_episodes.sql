-- What the online detector remembers of the series of a Kafka partition. It moves in the transaction that stores the
-- readings it has seen, so that none is skipped and none counts twice.
create table detector_state (
    topic_id text not null,
    partition integer not null,
    next_offset bigint not null,
    state bytea not null,
    updated_at timestamptz not null default now(),
    primary key (topic_id, partition)
);
-- It is written anew with each slice, and does not shrink much.
alter table detector_state alter column state set storage external;
comment on column detector_state.next_offset is 'up to which it has seen; the ledger''s, from the first slice on';

-- Anomalies from start to end. The online tier notices, while readings flow; the batch tier judges in depth, and says of
-- what was noticed that it was right, in part or not at all. Both stay.
create table episodes (
    episode_id uuid primary key default uuidv7(),
    sensor_id text not null,
    sensor_type text not null,
    metric text not null,
    unit text not null,
    day date not null,
    kind text not null check (kind in (
        'spike', 'shift', 'drift', 'stuck', 'drop_out', 'noise', 'shape', 'out_of_spec'
    )),
    started_at timestamptz not null,
    peak_at timestamptz not null,
    ended_at timestamptz not null,
    readings integer not null check (readings >= 0),
    peak_score double precision not null,
    peak_value double precision,
    tier text not null check (tier in ('online', 'batch')),
    noticed_at timestamptz not null default clock_timestamp(),
    check (started_at <= peak_at and peak_at <= ended_at)
);
create index on episodes (sensor_id, metric, started_at desc);
create index on episodes (day, sensor_type);
create index on episodes (started_at desc, episode_id desc);
comment on column episodes.day is 'UTC day of the start, with sensor_type the partition key';
