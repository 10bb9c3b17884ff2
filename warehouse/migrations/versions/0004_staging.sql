-- `touched_at` moves with every slice; this one stays until the key is cleared.
alter table touched_keys add column first_touched_at timestamptz not null default now();

-- Up to where the raw rows of a partition key are in its staged rows. It may lag behind them after a crash, never lead.
create table staged_positions (
    day date not null,
    sensor_type text not null,
    topic_id text not null,
    partition integer not null,
    next_offset bigint not null,
    primary key (day, sensor_type, topic_id, partition)
);

-- Days that left the hot window: what was dropped here and is in the lake only.
create table retired (
    topic_id text not null,
    partition integer not null,
    day date not null,
    rows bigint not null,
    checksum bigint not null default 0,
    retired_at timestamptz not null default now(),
    primary key (topic_id, partition, day)
);
-- Counted here: a ledger row belongs to the drain that moves it.
alter table ledger drop column retired;
comment on column retired.checksum is 'order-free sum of the rows'' checksums, modulo 2^64 and read as signed';

create function wrapped_sum(one bigint, other bigint) returns bigint
language sql immutable strict parallel safe
return (one::numeric + other::numeric - case
    when one::numeric + other::numeric > 9223372036854775807 then 18446744073709551616
    when one::numeric + other::numeric < -9223372036854775808 then -18446744073709551616
    else 0
end)::bigint;
comment on function wrapped_sum is 'the sum of two checksums, modulo 2^64 and read as signed';
