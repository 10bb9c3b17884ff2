select
    day,
    sensor_type,
    raw as raw_readings,
    staged as staged_readings,
    duplicates as duplicate_readings,
    revisions as revised_readings,
    refreshed_at
from {{ source('warehouse', 'staged_keys') }}
