{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['day', 'sensor_type'],
        on_schema_change='fail',
        indexes=[
            {'columns': ['sensor_id', 'metric', 'day', 'unit', 'sensor_type'], 'unique': true},
            {'columns': ['day', 'sensor_type', 'refreshed_at']},
        ]
    )
}}

-- depends_on: {{ ref('stg_staged_keys') }}
with hours as (
    select
        *,
        lead(first_at) over (partition by sensor_id, sensor_type, metric, unit, day order by hour) as next_at
    from {{ ref('readings_hourly') }} as hourly
    {% if is_incremental() %}
    -- The days that are new there.
    where (hourly.day, hourly.sensor_type) in (
        select
            staged.day,
            staged.sensor_type
        from {{ ref('stg_staged_keys') }} as staged
        where not exists (
            select
            from {{ this }} as done
            where done.day = staged.day
                and done.sensor_type = staged.sensor_type
                and done.refreshed_at = staged.refreshed_at
        )
    )
    {% endif %}
),

days as (
    select
        sensor_id,
        sensor_type,
        metric,
        unit,
        day,
        refreshed_at,
        sum(readings)::bigint as readings,
        sum(mean * readings) / sum(readings) as mean,
        min(min) as min,
        max(max) as max,
        min(first_at) as first_at,
        max(last_at) as last_at,
        -- The median over the hours, so that a pause in some of them does not count.
        percentile_cont(0.5) within group (
            order by {{ seconds_between('first_at', 'coalesce(next_at, last_at)') }}
                / nullif(readings - (next_at is null)::integer, 0)
        ) as interval_s,
        -- Of a day that goes on only what is over.
        least(86400, {{ seconds_between("day::timestamp at time zone 'UTC'", 'refreshed_at') }}) as span_s
    from hours
    group by
        sensor_id,
        sensor_type,
        metric,
        unit,
        day,
        refreshed_at
),

expected as (
    select
        *,
        case when interval_s > 0 then greatest(1, round(span_s / interval_s)) end as expected_readings
    from days
)

select
    sensor_id,
    sensor_type,
    metric,
    unit,
    day,
    readings,
    mean,
    min,
    max,
    first_at,
    last_at,
    interval_s,
    expected_readings::bigint as expected_readings,
    case when expected_readings > 0 then least(1, readings / expected_readings) end as coverage,
    refreshed_at
from expected
