-- Each slice keeps what was decoded, so that every table can be held against it for as long as it lives.

alter table slices
    add column bytes bigint not null default 0,
    add column cold bigint not null default 0,
    add column retired bigint not null default 0,
    add column checksum bigint,
    add column cold_checksum bigint not null default 0,
    add column retired_checksum bigint not null default 0,
    add column dead_checksum bigint,
    add column oldest_ingested_at timestamptz,
    add column read_s double precision not null default 0,
    add column decode_s double precision not null default 0,
    add column load_s double precision not null default 0;
comment on column slices.rows is 'decoded rows: all are in the lake, those that are neither cold nor retired also here';
comment on column slices.cold is 'rows whose event day was out of the hot window when they came: in the lake only';
comment on column slices.retired is 'rows that were dropped here since, when their event day left the hot window';
comment on column slices.checksum is
    'order-free sum of the rows'' checksums, modulo 2^64 and read as signed; null for slices older than the column';
comment on column slices.load_s is 'seconds in the warehouse, up to the commit';

alter table ledger
    add column cold bigint not null default 0,
    add column retired bigint not null default 0;

-- Counted when written, so that counting needs no array.
alter table reading_chunks
    add column count integer generated always as (cardinality(readings)) stored;

-- A chunk that fits in a page stays there as it is: compressing it took half of Postgres' time to save a quarter of the
-- space. Longer ones are compressed as before.
alter table reading_chunks set (toast_tuple_target = 8160);

-- Which version of a lake table holds the offsets up to `end_offset`: reported after the commit, so never ahead of it.
create table lake_commits (
    topic_id text not null,
    partition integer not null,
    table_name text not null,
    end_offset bigint not null,
    version bigint not null,
    committed_at timestamptz not null default clock_timestamp(),
    primary key (topic_id, partition, table_name, end_offset)
);
create index on lake_commits (committed_at);
