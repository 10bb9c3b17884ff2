select
    topic_id,
    partition,
    topic,
    next_offset,
    messages,
    rows,
    cold,
    dead_letters,
    updated_at
from {{ source('warehouse', 'ledger') }}
