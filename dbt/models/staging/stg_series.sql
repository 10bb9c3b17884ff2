select
    series_id,
    sensor_id,
    sensor_type,
    metric,
    unit
from {{ source('warehouse', 'series') }}
