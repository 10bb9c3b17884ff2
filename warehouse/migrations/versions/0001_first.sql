-- The catalogue: what can be ordered, by whom, and where it is made.

create table sensor_types (
    sensor_type text primary key,
    description text not null
);

create table products (
    sku text primary key,
    name text not null,
    sensor_type text not null references sensor_types,
    unit text not null,
    spec_min double precision not null,
    spec_max double precision not null,
    price numeric(12, 2) not null check (price >= 0),
    lead_time_days integer not null check (lead_time_days >= 0),
    check (spec_min < spec_max)
);

create table customers (
    customer_id text primary key,
    name text not null,
    tier text not null check (tier in ('standard', 'plus', 'premium')),
    region text not null,
    max_quantity_per_order integer not null check (max_quantity_per_order > 0),
    max_quantity_30_days integer not null check (max_quantity_30_days > 0),
    approval_above integer not null check (approval_above > 0),
    forbidden_skus text[] not null default '{}',
    preferred_site text
);

create table lines (
    line_id text primary key,
    site text not null,
    sensor_types text[] not null,
    capacity_per_day integer not null check (capacity_per_day > 0),
    cost_per_unit numeric(12, 2) not null
);

create table users (
    user_id uuid primary key default uuidv7(),
    username text not null unique check (username = lower(username)),
    password_hash text not null,
    email text,
    roles text[] not null check (roles <@ '{customer,device,operator,approver,viewer,admin}'),
    customer_id text references customers,
    created_at timestamptz not null default now()
);

-- Orders: the row, its history and the outbox row are written in one transaction.

create table orders (
    order_id uuid primary key,
    customer_id text not null references customers,
    sku text not null,
    quantity integer not null check (quantity > 0),
    requested_for date,
    notes text,
    status text not null check (status in (
        'received', 'accepted', 'pending_approval', 'rejected', 'expired', 'routed', 'in_production',
        'in_test', 'shipped', 'delivered', 'cancelled'
    )),
    reason text,
    policy_version text not null,
    version integer not null check (version > 0),
    created_by uuid not null references users,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index on orders (customer_id, created_at desc);
create index on orders (created_at desc, order_id desc);

create table order_events (
    event_id uuid primary key,
    order_id uuid not null references orders,
    version integer not null,
    type text not null,
    status text not null,
    reason text,
    actor text not null,
    occurred_at timestamptz not null,
    unique (order_id, version)
);

-- Debezium's columns, so that change data capture can take the relay's place.
create table outbox (
    id uuid primary key,
    aggregatetype text not null,
    aggregateid text not null,
    type text not null,
    payload jsonb not null,
    created_at timestamptz not null default now(),
    published_at timestamptz
);
create index outbox_unpublished on outbox (created_at) where published_at is null;

-- What drains write. A ledger row moves in the transaction that writes the rows it speaks of.

create table ledger (
    topic_id text not null,
    partition integer not null,
    topic text not null,
    next_offset bigint not null,
    messages bigint not null default 0,
    rows bigint not null default 0,
    dead_letters bigint not null default 0,
    updated_at timestamptz not null default now(),
    primary key (topic_id, partition)
);
comment on column ledger.topic_id is 'Kafka''s cluster id / topic id, so that a recreated topic is another one';

create table slices (
    topic_id text not null,
    partition integer not null,
    start_offset bigint not null,
    end_offset bigint not null,
    messages bigint not null,
    rows bigint not null,
    dead_letters bigint not null,
    newest_ingested_at timestamptz,
    loaded_at timestamptz not null default clock_timestamp(),
    run_id text not null,
    primary key (topic_id, partition, start_offset)
);
create index on slices (loaded_at);

-- A copy of the marks in the lake, for those who only look; the lake's own are the truth.
create table lake_marks (
    topic_id text not null,
    partition integer not null,
    next_offset bigint not null,
    updated_at timestamptz not null default now(),
    primary key (topic_id, partition)
);

create table dead_letters (
    topic_id text not null,
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    index integer not null,
    reason text not null,
    payload bytea,
    ingested_at timestamptz not null,
    primary key (topic_id, partition, "offset", index)
);
comment on column dead_letters.index is 'position of the reading in its message; -1 when the whole message is dead';

create table raw_orders (
    topic_id text not null,
    partition integer not null,
    "offset" bigint not null,
    event_id text not null,
    order_id text not null,
    version integer not null,
    type text not null,
    status text not null,
    customer_id text not null,
    sku text not null,
    quantity bigint not null,
    reason text,
    actor text,
    occurred_at timestamptz not null,
    ingested_at timestamptz not null,
    primary key (topic_id, partition, "offset")
);
create index on raw_orders (event_id);

create table series (
    series_id integer generated always as identity primary key,
    sensor_id text not null,
    sensor_type text not null,
    metric text not null,
    unit text not null,
    unique (sensor_id, metric, unit, sensor_type)
);

-- One row per series, event day and slice; the arrays run in step. A null array is one of nulls.
create table reading_chunks (
    series_id integer not null references series,
    day date not null,
    topic_id text not null,
    partition integer not null,
    t_min timestamptz not null,
    t_max timestamptz not null,
    event_times timestamptz[] not null,
    readings double precision[] not null,
    qualities smallint[],
    stations text[],
    attributes text[],
    offsets bigint[] not null,
    indexes integer[] not null,
    ingested_ats timestamptz[] not null
);
create index on reading_chunks (series_id, t_min);
create index on reading_chunks (day);

create view raw_readings as
select
    s.sensor_id,
    s.sensor_type,
    s.metric,
    s.unit,
    r.event_time,
    r.value,
    r.quality,
    r.station,
    r.attributes,
    c.topic_id,
    c.partition,
    r."offset",
    r.index,
    r.ingested_at,
    c.day
from reading_chunks as c
join series as s using (series_id)
cross join lateral unnest(
    c.event_times, c.readings, c.qualities, c.stations, c.attributes, c.offsets, c.indexes, c.ingested_ats
) as r (event_time, value, quality, station, attributes, "offset", index, ingested_at);

-- Staged: one row per sensor, metric and event time; the newest position wins. The day, which follows from the event
-- time, is named so that a filter on it reaches the chunks.
create view readings as
select distinct on (sensor_id, metric, event_time, day) *
from raw_readings
order by sensor_id, metric, event_time, day, ingested_at desc, "offset" desc, index desc;

-- Partition keys (day x sensor_type) whose rows changed, with the offsets that changed them.
create table touched_keys (
    day date not null,
    sensor_type text not null,
    topic_id text not null,
    partition integer not null,
    end_offset bigint not null,
    touched_at timestamptz not null default now(),
    primary key (day, sensor_type, topic_id, partition)
);

-- What staging made of a partition key: raw = staged + duplicates + revisions.
create table staged_keys (
    day date not null,
    sensor_type text not null,
    raw bigint not null,
    staged bigint not null,
    duplicates bigint not null,
    revisions bigint not null,
    refreshed_at timestamptz not null default now(),
    primary key (day, sensor_type),
    check (raw = staged + duplicates + revisions)
);

create table anomalies (
    sensor_id text not null,
    sensor_type text not null,
    metric text not null,
    event_time timestamptz not null,
    day date not null,
    value double precision not null,
    unit text not null,
    score double precision not null,
    median double precision not null,
    sigma double precision not null,
    detector text not null,
    primary key (sensor_id, metric, event_time)
);
create index on anomalies (day, sensor_type);
create index on anomalies (event_time desc);

-- The maker's catalogue.

insert into sensor_types (sensor_type, description) values
    ('temperature', 'Temperature of a machine, a room or a line'),
    ('pressure', 'Gauge pressure'),
    ('humidity', 'Relative humidity of the air'),
    ('vibration', 'Vibration velocity'),
    ('occupancy', 'Share of time that a detector is occupied'),
    ('speed', 'Speed of what passes a detector');

insert into products (sku, name, sensor_type, unit, spec_min, spec_max, price, lead_time_days) values
    ('TMP-100', 'Machine temperature probe', 'temperature', 'F', -40, 120, 48.00, 7),
    ('TMP-200', 'Room temperature sensor', 'temperature', 'F', 20, 110, 21.50, 5),
    ('PRS-100', 'Pressure transmitter', 'pressure', 'bar', 0, 25, 112.00, 14),
    ('HUM-100', 'Humidity sensor', 'humidity', '%', 0, 100, 18.00, 5),
    ('VIB-100', 'Vibration sensor', 'vibration', 'mm/s', 0, 50, 164.00, 21),
    ('OCC-100', 'Occupancy loop', 'occupancy', '%', 0, 100, 230.00, 10),
    ('SPD-100', 'Speed radar', 'speed', 'mph', 0, 120, 310.00, 10);

insert into lines (line_id, site, sensor_types, capacity_per_day, cost_per_unit) values
    ('dresden-1', 'dresden', '{temperature,humidity}', 4000, 6.10),
    ('dresden-2', 'dresden', '{pressure,vibration}', 1200, 22.40),
    ('austin-1', 'austin', '{temperature,occupancy,speed}', 2500, 9.80);
