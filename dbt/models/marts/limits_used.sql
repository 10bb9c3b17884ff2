with ordered as (
    select
        usage.customer_id,
        products.sensor_type,
        sum(usage.quantity)::bigint as quantity
    from {{ ref('stg_order_usage') }} as usage
    join {{ ref('stg_products') }} as products using (sku)
    -- The days that the policy counts.
    where usage.day > (now() at time zone 'UTC')::date - 30
    group by
        usage.customer_id,
        products.sensor_type
)

select
    ordered.customer_id,
    customers.customer_name,
    customers.tier,
    customers.region,
    ordered.sensor_type,
    ordered.quantity,
    customers.max_quantity_30_days,
    {{ share('ordered.quantity', 'customers.max_quantity_30_days') }} as used
from ordered
join {{ ref('stg_customers') }} as customers using (customer_id)
