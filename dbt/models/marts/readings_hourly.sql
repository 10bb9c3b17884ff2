{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['day', 'sensor_type'],
        on_schema_change='fail',
        indexes=[
            {'columns': ['sensor_id', 'metric', 'hour', 'unit', 'sensor_type'], 'unique': true},
            {'columns': ['day', 'sensor_type', 'refreshed_at']},
        ]
    )
}}

-- Only days and sensor types that staging has refreshed since this table was made from them are aggregated again.
with keys as (
    select
        day,
        sensor_type,
        refreshed_at
    from {{ ref('stg_staged_keys') }} as staged
    {% if is_incremental() %}
    where not exists (
        select
        from {{ this }} as done
        where done.day = staged.day
            and done.sensor_type = staged.sensor_type
            and done.refreshed_at = staged.refreshed_at
    )
    {% endif %}
),

sensors as (
    select
        sensor_id,
        sensor_type,
        metric,
        array_agg(series_id) as series
    from {{ ref('stg_series') }}
    group by
        sensor_id,
        sensor_type,
        metric
)

select
    sensors.sensor_id,
    keys.sensor_type,
    sensors.metric,
    series.unit,
    hours.hour,
    keys.day,
    hours.readings,
    hours.mean,
    hours.min,
    hours.max,
    hours.first_at,
    hours.last_at,
    keys.refreshed_at
from keys
join sensors using (sensor_type)
-- One sensor's day at a time: sorting so little takes a fraction of what it takes to sort everything at once.
cross join lateral (
    select
        series_id,
        date_trunc('hour', event_time, 'UTC') as hour,
        count(*) as readings,
        avg(value) as mean,
        min(value) as min,
        max(value) as max,
        min(event_time) as first_at,
        max(event_time) as last_at
    from (
        -- The rule of the view `readings`: of one time, what came last.
        select distinct on (reading.event_time)
            chunks.series_id,
            reading.event_time,
            reading.value
        from {{ ref('stg_reading_chunks') }} as chunks
        cross join lateral unnest(
            chunks.event_times, chunks.readings, chunks.ingested_ats, chunks.offsets, chunks.indexes
        ) as reading (event_time, value, ingested_at, "offset", index)
        where chunks.series_id = any(sensors.series)
            -- A chunk holds readings of one day.
            and chunks.t_min >= keys.day::timestamp at time zone 'UTC'
            and chunks.t_min < (keys.day + 1)::timestamp at time zone 'UTC'
        order by
            reading.event_time,
            reading.ingested_at desc,
            reading."offset" desc,
            reading.index desc
    ) as newest
    group by
        series_id,
        date_trunc('hour', event_time, 'UTC')
) as hours
join {{ ref('stg_series') }} as series using (series_id)
