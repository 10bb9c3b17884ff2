-- A unit is one built sensor.
create table units (
    sensor_id text primary key,
    order_id uuid not null references orders,
    sku text not null references products,
    line_id text not null references lines,
    built_at timestamptz not null default clock_timestamp(),
    readings bigint not null default 0
) with (fillfactor = 70);
create index on units (order_id, sensor_id);
comment on column units.built_at is 'when it was entered';
comment on column units.readings is
    'how many readings its test had, repeats included; counted in the transaction that stores them';

-- Staged readings of units outside of their product's limits, as those were when the readings were stored.
create table unit_failures (
    sensor_id text not null references units,
    metric text not null,
    event_time timestamptz not null,
    value double precision not null,
    spec_min double precision not null,
    spec_max double precision not null,
    primary key (sensor_id, metric, event_time)
);

-- The rule of what a unit's test says, for everybody: the API and the marts read it here.
--
-- A unit is tested when its sensor has readings of the product's sensor type, in the product's unit of measurement, that
-- were stored after the unit was entered and are of a time since then. It has failed when one of those lies outside of
-- spec_min to spec_max (a value that was revised counts as revised), or when an episode began since then that stands: of
-- any kind but drop_out, and out_of_spec, of which the readings themselves say more. One that was settled by another
-- counts as that, one that was withdrawn not at all. All other tested units have passed.
create view unit_results as
select
    u.sensor_id,
    u.order_id,
    u.sku,
    u.line_id,
    u.built_at,
    u.readings,
    case
        when u.readings = 0 then 'untested'
        when exists (select from unit_failures as f where f.sensor_id = u.sensor_id) then 'failed'
        when exists (
            select
            from episodes as e
            where e.sensor_id = u.sensor_id
                and e.started_at >= u.built_at
                and e.kind not in ('drop_out', 'out_of_spec')
                and e.verdict is null
        ) then 'failed'
        else 'passed'
    end as result,
    array(
        select format(
            'value %s %s %s at %s',
            f.value,
            p.unit,
            case when f.value > f.spec_max then format('above spec_max %s', f.spec_max)
                else format('below spec_min %s', f.spec_min)
            end,
            to_char(f.event_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        )
        from unit_failures as f
        where f.sensor_id = u.sensor_id
        order by f.metric, f.event_time
        limit 1
    ) || array(
        select format(
            'episode: %s at %s', e.kind, to_char(e.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        )
        from episodes as e
        where u.readings > 0
            and e.sensor_id = u.sensor_id
            and e.started_at >= u.built_at
            and e.kind not in ('drop_out', 'out_of_spec')
            and e.verdict is null
        order by e.started_at
        limit 5
    ) as reasons
from units as u
join products as p using (sku);
comment on view unit_results is 'one row per unit: passed, failed or untested, and why it failed';
comment on column unit_results.reasons is 'the first reading outside of the limits, and the first five episodes';
