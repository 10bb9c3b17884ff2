select distinct on (event_id)
    event_id,
    order_id,
    version,
    type as event_type,
    status,
    customer_id,
    sku,
    quantity,
    reason,
    actor,
    occurred_at,
    ingested_at
from {{ source('warehouse', 'raw_orders') }}
order by
    event_id,
    ingested_at desc,
    "offset" desc
