select
    topic_id,
    partition,
    end_offset - start_offset as offsets
from {{ source('warehouse', 'lost_ranges') }}
-- Those of the lake's tables are not the warehouse's.
where table_name = 'ledger'
