select
    customer_id,
    sku,
    day,
    quantity
from {{ source('warehouse', 'order_usage') }}
