-- Counts of orders by status, of episodes that stand and of events that wait, kept in step by the database: so they cost
-- the same to look at however many there are.
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

create function add_counts(names text[], changes bigint[]) returns void language sql as $$
    insert into counts as c (name, shard, count)
    select name, own_shard(), change
    from unnest(names, changes) as u (name, change)
    where change <> 0
    on conflict (name, shard) do update set count = c.count + excluded.count;
$$;

create function add_recent_counts(what text, times timestamptz[], changes bigint[]) returns void language sql as $$
    insert into recent_counts as c (name, at, shard, count)
    select what, at, own_shard(), change
    from unnest(times, changes) as u (at, change)
    where change <> 0
        and at > now() - interval '2 days'
    on conflict (name, at, shard) do update set count = c.count + excluded.count;
$$;

create function count_orders() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform add_counts(array_agg('orders ' || status), array_agg(orders))
        from (select status, count(*) as orders from came group by status) as by_status;
        perform add_recent_counts('orders placed', array_agg(at), array_agg(orders))
        from (
            select date_bin('5 seconds', created_at, timestamptz '2000-01-01') as at, count(*) as orders
            from came
            group by 1
        ) as by_time;
    elsif tg_op = 'UPDATE' then
        perform add_counts(array_agg('orders ' || status), array_agg(change))
        from (
            select status, sum(change) as change
            from (select status, 1 as change from came union all select status, -1 from went) as changed
            group by status
        ) as by_status;
    else
        perform add_counts(array_agg('orders ' || status), array_agg(-orders))
        from (select status, count(*) as orders from went group by status) as by_status;
        perform add_recent_counts('orders placed', array_agg(at), array_agg(-orders))
        from (
            select date_bin('5 seconds', created_at, timestamptz '2000-01-01') as at, count(*) as orders
            from went
            group by 1
        ) as by_time;
    end if;
    return null;
end
$$;

create function add_episodes(begun timestamptz[], changes bigint[]) returns void language plpgsql as $$
begin
    perform add_counts('{episodes}', array[sum(change)]::bigint[])
    from unnest(changes) as u (change);
    perform add_recent_counts('episodes begun', array_agg(at), array_agg(change))
    from (
        select date_bin('5 minutes', at, timestamptz '2000-01-01') as at, sum(change)::bigint as change
        from unnest(begun, changes) as u (at, change)
        group by 1
    ) as by_time;
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
            select started_at, sum(change)::bigint as change
            from (
                select started_at, 1 as change from came where verdict is null
                union all
                select started_at, -1 from went where verdict is null
            ) as changed
            group by started_at
            having sum(change) <> 0
        ) as by_start;
    else
        perform add_episodes(array_agg(started_at), array_agg(-1::bigint)) from went where verdict is null;
    end if;
    return null;
end
$$;

create function count_outbox() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform add_counts('{outbox waiting}', array[count(*)]) from came where published_at is null;
    elsif tg_op = 'UPDATE' then
        perform add_counts('{outbox waiting}', array[sum(change)]::bigint[])
        from (
            select 1 as change from came where published_at is null
            union all
            select -1 from went where published_at is null
        ) as changed;
    else
        perform add_counts('{outbox waiting}', array[-count(*)]) from went where published_at is null;
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

create trigger count_came after insert on outbox
    referencing new table as came for each statement execute function count_outbox();
create trigger count_moved after update on outbox
    referencing new table as came old table as went for each statement execute function count_outbox();
create trigger count_went after delete on outbox
    referencing old table as went for each statement execute function count_outbox();

-- What there is already. The triggers come first: their making waits for those who write, and keeps others from it.
insert into counts (name, shard, count)
select 'orders ' || status, 0, count(*) from orders group by status
union all
select 'episodes', 0, count(*) from episodes where verdict is null
union all
select 'outbox waiting', 0, count(*) from outbox where published_at is null;

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
