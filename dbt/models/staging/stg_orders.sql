select
    order_id::text as order_id,
    value,
    requested_for
from {{ source('warehouse', 'orders') }}
