select
    series_id,
    episode_id,
    last_seen
from {{ source('warehouse', 'silences') }}
