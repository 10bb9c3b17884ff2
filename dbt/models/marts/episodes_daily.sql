select
    day,
    sensor_type,
    sensor_id,
    count(*) as episodes,
    count(distinct metric) as metrics,
    sum(readings)::bigint as readings,
    min(started_at) as first_at,
    max(ended_at) as last_at
from {{ ref('episodes') }}
group by
    day,
    sensor_type,
    sensor_id
