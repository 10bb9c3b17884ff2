select
    customer_id,
    name as customer_name,
    tier,
    region
from {{ source('warehouse', 'customers') }}
