{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['day', 'sensor_type'],
        indexes=[{'columns': ['sensor_id', 'metric', 'hour']}, {'columns': ['day', 'sensor_type']}],
        on_schema_change='fail'
    )
}}

-- Only days that staging has refreshed since this table was made from them are aggregated again.
select
    readings.sensor_id,
    readings.sensor_type,
    readings.metric,
    readings.unit,
    date_trunc('hour', readings.event_time, 'UTC') as hour,
    readings.day,
    count(*) as readings,
    avg(readings.value) as mean_value,
    min(readings.value) as min_value,
    max(readings.value) as max_value,
    staged.refreshed_at
from {{ ref('stg_readings') }} as readings
join {{ ref('stg_staged_keys') }} as staged
    on staged.day = readings.day
    and staged.sensor_type = readings.sensor_type
{% if is_incremental() %}
where readings.day in ({{ stale_days(ref('stg_staged_keys'), this) }})
{% endif %}
group by
    readings.sensor_id,
    readings.sensor_type,
    readings.metric,
    readings.unit,
    date_trunc('hour', readings.event_time, 'UTC'),
    readings.day,
    staged.refreshed_at
