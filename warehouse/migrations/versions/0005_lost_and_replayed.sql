-- Offsets that Kafka no longer held when a table still wanted them, and that a person accepted as lost.
create table lost_ranges (
    topic_id text not null,
    partition integer not null,
    table_name text not null,
    start_offset bigint not null,
    end_offset bigint not null check (end_offset > start_offset),
    reason text not null,
    accepted_by text not null,
    accepted_at timestamptz not null default now(),
    primary key (topic_id, partition, table_name, start_offset)
);
comment on column lost_ranges.table_name is 'the lake''s table that lacks the range, or ledger for those of the warehouse';

-- Where each log was last seen to end: of a topic that was deleted since, nobody else knows.
create table log_ends (
    topic_id text not null,
    partition integer not null,
    high_watermark bigint not null,
    seen_at timestamptz not null default now(),
    primary key (topic_id, partition)
);

-- Dead letters that were published again, and where to. One that was replayed twice has two rows.
create table replays (
    topic_id text not null,
    partition integer not null,
    "offset" bigint not null,
    index integer not null,
    replayed_at timestamptz not null default now(),
    replayed_by text not null,
    new_topic_id text not null,
    new_partition integer not null,
    new_offset bigint not null,
    primary key (new_topic_id, new_partition, new_offset)
);
create index on replays (topic_id, partition, "offset", index);

-- Dead letters are looked for by when they came, and counted by why.
create index on dead_letters (ingested_at);
