select
    sku,
    name as product_name,
    sensor_type,
    price
from {{ source('warehouse', 'products') }}
