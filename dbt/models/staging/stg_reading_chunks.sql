select
    series_id,
    t_min,
    event_times,
    readings,
    ingested_ats,
    offsets,
    indexes
from {{ source('warehouse', 'reading_chunks') }}
