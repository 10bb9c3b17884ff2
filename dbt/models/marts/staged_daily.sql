select
    day,
    sensor_type,
    raw_readings,
    staged_readings,
    duplicate_readings,
    revised_readings,
    refreshed_at
from {{ ref('stg_staged_keys') }}
