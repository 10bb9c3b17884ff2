-- What was answered to a request that carried a key; a repeat gets the same.
create table idempotency_keys (
    user_id uuid not null,
    route text not null,
    key text not null,
    fingerprint bytea not null,
    status smallint not null,
    location text,
    etag text,
    body bytea not null,
    created_at timestamptz not null,
    primary key (user_id, route, key)
);
create index on idempotency_keys (created_at);
comment on column idempotency_keys.fingerprint is 'SHA-256 of what was asked: the same key with another one is refused';

-- What an order was worth when it was placed, and until when an approver may decide.
alter table orders add column value numeric(22, 2);
update orders set value = orders.quantity * products.price from products where products.sku = orders.sku;
update orders set value = 0 where value is null;
alter table orders alter column value set not null, add check (value >= 0);
alter table orders add column approve_by timestamptz;
update orders set approve_by = created_at + interval '7 days' where status = 'pending_approval';
create index orders_to_approve on orders (approve_by) where status = 'pending_approval';

alter table order_events add column policy_version text;
update order_events set policy_version = orders.policy_version
from orders
where orders.order_id = order_events.order_id and order_events.version = 1;

-- The relay sends an order's events in the order of its versions.
alter table outbox add column version integer;
update outbox set version = (payload ->> 'version')::integer;
alter table outbox alter column version set not null;

-- How an order may move; whoever writes, and however.
create table order_transitions (
    from_status text not null,
    to_status text not null,
    primary key (from_status, to_status)
);
insert into order_transitions (from_status, to_status) values
    ('received', 'accepted'), ('received', 'pending_approval'), ('received', 'rejected'), ('received', 'cancelled'),
    ('pending_approval', 'accepted'), ('pending_approval', 'rejected'), ('pending_approval', 'expired'),
    ('pending_approval', 'cancelled'),
    ('accepted', 'routed'), ('accepted', 'cancelled'),
    ('routed', 'in_production'), ('routed', 'cancelled'),
    ('in_production', 'in_test'),
    ('in_test', 'shipped'),
    ('shipped', 'delivered');

create function guard_order() returns trigger language plpgsql as $$
begin
    if not exists (select from order_transitions where from_status = old.status and to_status = new.status) then
        raise exception 'order % can not go from % to %', old.order_id, old.status, new.status
            using errcode = 'check_violation';
    end if;
    if new.version <> old.version + 1 then
        raise exception 'order % is at version %, its next is not %', old.order_id, old.version, new.version
            using errcode = 'check_violation';
    end if;
    if (new.order_id, new.customer_id, new.sku, new.quantity, new.value, new.created_by, new.created_at)
        is distinct from
        (old.order_id, old.customer_id, old.sku, old.quantity, old.value, old.created_by, old.created_at) then
        raise exception 'what was ordered, by whom and when does not change: order %', old.order_id
            using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger guard_order before update on orders for each row execute function guard_order();

alter table orders add constraint orders_begin check (
    version > 1 or status in ('received', 'accepted', 'pending_approval', 'rejected')
);
-- No version of an order without its event; looked at when the transaction ends, as each needs the other.
alter table orders add constraint orders_event foreign key (order_id, version)
    references order_events (order_id, version) deferrable initially deferred;

-- How much each customer ordered of each product on each day (UTC), for limits over 30 days: kept in step with the
-- orders by the database, so that a limit is a sum of at most 30 rows a product, however many orders there are.
create table order_usage (
    customer_id text not null references customers,
    sku text not null,
    day date not null,
    quantity bigint not null,
    value numeric(26, 2) not null,
    primary key (customer_id, sku, day)
) with (fillfactor = 50);

create function count_usage() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into order_usage as u (customer_id, sku, day, quantity, value)
        select customer_id, sku, (created_at at time zone 'UTC')::date, sum(quantity), sum(value)
        from placed
        where status not in ('rejected', 'expired', 'cancelled')
        group by 1, 2, 3
        order by 1, 2, 3
        on conflict (customer_id, sku, day) do update
        set quantity = u.quantity + excluded.quantity, value = u.value + excluded.value;
    else
        insert into order_usage as u (customer_id, sku, day, quantity, value)
        select customer_id, sku, (created_at at time zone 'UTC')::date, -sum(quantity), -sum(value)
        from (select * from moved where status in ('rejected', 'expired', 'cancelled')) as ended
        join (select order_id, status as before from was) as earlier using (order_id)
        where before not in ('rejected', 'expired', 'cancelled')
        group by 1, 2, 3
        order by 1, 2, 3
        on conflict (customer_id, sku, day) do update
        set quantity = u.quantity + excluded.quantity, value = u.value + excluded.value;
    end if;
    return null;
end
$$;
create trigger count_placed after insert on orders
    referencing new table as placed for each statement execute function count_usage();
create trigger count_ended after update on orders
    referencing old table as was new table as moved for each statement execute function count_usage();

insert into order_usage (customer_id, sku, day, quantity, value)
select customer_id, sku, (created_at at time zone 'UTC')::date, sum(quantity), sum(value)
from orders
where status not in ('rejected', 'expired', 'cancelled')
group by 1, 2, 3;

-- Tells those who remember such rows that one has changed: `table:key`.
create function tell_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('sensorhouse_changed', tg_table_name || ':' || (to_jsonb(coalesce(new, old)) ->> tg_argv[0]));
    return null;
end
$$;
create trigger tell_changed after update or delete on users
    for each row execute function tell_changed('user_id');
create trigger tell_changed after insert or update or delete on sensor_types
    for each row execute function tell_changed('sensor_type');
