select
    day,
    sensor_id,
    sensor_type,
    metric,
    unit,
    event_time,
    value,
    quality,
    station,
    ingested_at
from {{ source('warehouse', 'readings') }}
