select
    sensor_id,
    order_id::text as order_id,
    sku,
    line_id,
    built_at,
    readings,
    result,
    -- Only of those that failed: of the others it is not even looked for.
    case when result = 'failed' then reasons[1] end as reason
from {{ source('warehouse', 'unit_results') }}
