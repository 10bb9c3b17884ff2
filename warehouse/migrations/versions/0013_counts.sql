-- Counts of orders by status and of episodes that stand, kept in step by the database: so they cost the same to look at
-- however many there are.
--
-- A transaction counts in a shard that is its own until it ends. So nobody waits for anybody, and transactions that count
-- in different orders can't lock each other out. A count is the sum over its shards, of which there are no more than there
-- ever were transactions at once.
create table counts (
    name text not null,
    shard integer not null,
    count bigint not null,
    primary key (name, shard)
) with (fillfactor = 50);

-- The same by when it was, of the last days alone: orders by the 5 seconds, episodes by the 5 minutes.
create table recent_counts (
    name text not null,
    at timestamptz not null,
    shard integer not null,
    count bigint not null,
    primary key (name, at, shard)
) with (fillfactor = 50);
comment on table recent_counts is 'what is older than two days is not counted any more, and dropped after three';

create function own_shard() returns integer language plpgsql as $$
declare
    shard integer := 0;
begin
    -- 7306007 is COUNT in warehouse/locks.py. What this transaction holds already, it gets again.
    while not pg_try_advisory_xact_lock(7306007, shard) loop
        shard := shard + 1;
    end loop;
    return shard;
end
$$;

-- Every order that comes or moves waits for this one: few statements, whose plans the session keeps.
create function count_orders() returns trigger language plpgsql as $$
declare
    own integer := own_shard();
begin
    if tg_op = 'INSERT' then
        insert into counts as c (name, shard, count)
        select 'orders ' || status, own, count(*)
        from came
        group by status
        on conflict (name, shard) do update set count = c.count + excluded.count;

        insert into recent_counts as c (name, at, shard, count)
        select 'orders placed', date_bin('5 seconds', created_at, timestamptz '2000-01-01') as bin, own, count(*)
        from came
        where created_at > now() - interval '2 days'
        group by bin
        on conflict (name, at, shard) do update set count = c.count + excluded.count;
    elsif tg_op = 'UPDATE' then
        insert into counts as c (name, shard, count)
        select 'orders ' || status, own, sum(change)
        from (select status, 1 as change from came union all select status, -1 from went) as changed
        group by status
        having sum(change) <> 0
        on conflict (name, shard) do update set count = c.count + excluded.count;
    else
        insert into counts as c (name, shard, count)
        select 'orders ' || status, own, -count(*)
        from went
        group by status
        on conflict (name, shard) do update set count = c.count + excluded.count;

        insert into recent_counts as c (name, at, shard, count)
        select 'orders placed', date_bin('5 seconds', created_at, timestamptz '2000-01-01') as bin, own, -count(*)
        from went
        where created_at > now() - interval '2 days'
        group by bin
        on conflict (name, at, shard) do update set count = c.count + excluded.count;
    end if;
    return null;
end
$$;

create function add_episodes(begun timestamptz[], changes bigint[]) returns void language plpgsql as $$
declare
    own integer := own_shard();
begin
    insert into counts as c (name, shard, count)
    select 'episodes', own, sum(change)
    from unnest(changes) as u (change)
    having sum(change) <> 0
    on conflict (name, shard) do update set count = c.count + excluded.count;

    insert into recent_counts as c (name, at, shard, count)
    select 'episodes begun', date_bin('5 minutes', started_at, timestamptz '2000-01-01') as bin, own, sum(change)
    from unnest(begun, changes) as u (started_at, change)
    where started_at > now() - interval '2 days'
    group by bin
    having sum(change) <> 0
    on conflict (name, at, shard) do update set count = c.count + excluded.count;
end
$$;

create function count_episodes() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform add_episodes(array_agg(started_at), array_agg(1::bigint)) from came where verdict is null;
    elsif tg_op = 'UPDATE' then
        -- An episode that merely goes on changes no count.
        perform add_episodes(array_agg(started_at), array_agg(change))
        from (
            select started_at, 1::bigint as change from came where verdict is null
            union all
            select started_at, -1 from went where verdict is null
        ) as changed;
    else
        perform add_episodes(array_agg(started_at), array_agg(-1::bigint)) from went where verdict is null;
    end if;
    return null;
end
$$;

create trigger count_came after insert on orders
    referencing new table as came for each statement execute function count_orders();
create trigger count_moved after update on orders
    referencing new table as came old table as went for each statement execute function count_orders();
create trigger count_went after delete on orders
    referencing old table as went for each statement execute function count_orders();

create trigger count_came after insert on episodes
    referencing new table as came for each statement execute function count_episodes();
create trigger count_moved after update on episodes
    referencing new table as came old table as went for each statement execute function count_episodes();
create trigger count_went after delete on episodes
    referencing old table as went for each statement execute function count_episodes();

-- What there is already. The triggers come first: their making waits for those who write, and keeps others from it.
insert into counts (name, shard, count)
select 'orders ' || status, 0, count(*) from orders group by status
union all
select 'episodes', 0, count(*) from episodes where verdict is null;

insert into recent_counts (name, at, shard, count)
select 'orders placed', date_bin('5 seconds', created_at, timestamptz '2000-01-01'), 0, count(*)
from orders
where created_at > now() - interval '2 days'
group by 2
union all
select 'episodes begun', date_bin('5 minutes', started_at, timestamptz '2000-01-01'), 0, count(*)
from episodes
where started_at > now() - interval '2 days'
    and verdict is null
group by 2;
