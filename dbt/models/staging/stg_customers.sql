select
    customer_id,
    name as customer_name,
    tier,
    region,
    max_quantity_30_days
from {{ source('warehouse', 'customers') }}
