select
    day,
    sensor_id,
    sensor_type,
    metric,
    unit,
    event_time,
    value,
    score,
    median as expected_value,
    sigma,
    detector
from {{ source('warehouse', 'anomalies') }}
