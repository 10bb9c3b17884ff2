-- What the batch detector has judged. `series` holds, 8 bytes each, a number for every series of the key that stands for
-- its readings and its past as they were: those whose number is the same need no second look.
create table judged_keys (
    day date not null,
    sensor_type text not null,
    judged_at timestamptz not null,
    series bytea not null,
    primary key (day, sensor_type)
);

-- A batch episode takes the place of the online ones that it settles; they stay, with what became of them.
alter table episodes
    add column verdict text check (verdict in ('confirmed', 'corrected', 'withdrawn')),
    add column settled_by uuid,
    add column settled_at timestamptz,
    add check (tier = 'online' or verdict is null),
    add check ((verdict is null) = (settled_at is null)),
    add check (coalesce(verdict, 'withdrawn') != 'withdrawn' or settled_by is null);
comment on column episodes.verdict is 'null: it stands. Others are told by the episode in settled_by, or were withdrawn';
comment on column episodes.peak_score is 'batch: times the sensor''s own threshold; online: the detector''s own scale';

-- Those that stand are what people and marts ask for.
create index on episodes (started_at desc, episode_id desc) where verdict is null;
create index on episodes (sensor_id, metric, started_at desc) where verdict is null;
create index on episodes using gist (tstzrange(started_at, ended_at, '[]')) where verdict is null and readings > 0;

-- A reading is anomalous while it lies in an episode that stands.
drop table anomalies;
