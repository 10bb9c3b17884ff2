select
    topic_id,
    partition,
    "offset" as kafka_offset,
    event_id,
    order_id,
    version,
    type,
    status,
    customer_id,
    sku,
    quantity,
    reason,
    actor,
    occurred_at,
    ingested_at
from {{ source('warehouse', 'raw_orders') }}
