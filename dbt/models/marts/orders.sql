with transitions as (
    select
        order_id,
        min(occurred_at) as placed_at,
        max(occurred_at) as updated_at,
        min(occurred_at) filter (where status = 'accepted') as accepted_at,
        min(occurred_at) filter (where status = 'routed') as routed_at,
        min(occurred_at) filter (where status = 'in_production') as in_production_at,
        min(occurred_at) filter (where status = 'in_test') as in_test_at,
        min(occurred_at) filter (where status = 'shipped') as shipped_at,
        min(occurred_at) filter (where status = 'delivered') as delivered_at,
        min(occurred_at) filter (where status in ('rejected', 'expired', 'cancelled')) as closed_at,
        bool_or(status = 'pending_approval') as needed_approval
    from {{ ref('stg_order_events') }}
    group by order_id
),

latest as (
    select distinct on (order_id)
        order_id,
        customer_id,
        sku,
        quantity,
        status,
        version,
        reason
    from {{ ref('stg_order_events') }}
    order by
        order_id,
        version desc
)

select
    latest.order_id,
    latest.customer_id,
    customers.customer_name,
    customers.tier,
    customers.region,
    latest.sku,
    products.product_name,
    products.sensor_type,
    latest.quantity,
    latest.quantity * products.price as list_value,
    latest.status,
    latest.version,
    latest.reason,
    latest.status not in ('rejected', 'expired', 'cancelled', 'delivered') as is_open,
    transitions.needed_approval,
    transitions.placed_at,
    transitions.accepted_at,
    transitions.routed_at,
    transitions.in_production_at,
    transitions.in_test_at,
    transitions.shipped_at,
    transitions.delivered_at,
    transitions.closed_at,
    transitions.updated_at,
    {{ seconds_between('transitions.placed_at', 'transitions.accepted_at') }} as decision_s,
    {{ seconds_between('transitions.accepted_at', 'transitions.shipped_at') }} as fulfilment_s,
    {{ seconds_between('transitions.placed_at', 'transitions.delivered_at') }} as delivery_s
from latest
join transitions using (order_id)
left join {{ ref('stg_customers') }} as customers using (customer_id)
left join {{ ref('stg_products') }} as products using (sku)
