select
    day,
    sensor_type,
    sensor_id,
    count(*) as anomalies,
    count(distinct metric) as metrics,
    max(abs(score)) as worst_score,
    min(event_time) as first_at,
    max(event_time) as last_at
from {{ ref('stg_anomalies') }}
group by
    day,
    sensor_type,
    sensor_id
