select
    topic_id,
    partition,
    slices,
    messages,
    rows,
    cold,
    dead_letters,
    bytes,
    newest_ingested_at,
    loaded_at
from {{ source('warehouse', 'slices') }}
