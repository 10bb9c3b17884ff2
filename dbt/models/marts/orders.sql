with transitions as (
    select
        order_id,
        min(occurred_at) as created_at,
        max(occurred_at) as updated_at,
        min(occurred_at) filter (where status = 'pending_approval') as pending_at,
        min(occurred_at) filter (where status = 'accepted') as accepted_at,
        min(occurred_at) filter (where status = 'routed') as routed_at,
        min(occurred_at) filter (where status = 'in_production') as in_production_at,
        min(occurred_at) filter (where status = 'in_test') as in_test_at,
        min(occurred_at) filter (where status = 'shipped') as shipped_at,
        min(occurred_at) filter (where status = 'delivered') as delivered_at,
        min(occurred_at) filter (where status in ('rejected', 'expired', 'cancelled')) as ended_at,
        bool_or(type = 'order_approved') as was_approved,
        min(actor) filter (where type in ('order_approved', 'order_rejected')) as decided_by
    from {{ ref('order_events') }}
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
    from {{ ref('order_events') }}
    order by
        order_id,
        version desc
),

built as (
    select
        order_id,
        count(*) as units_built,
        count(*) filter (where result = 'passed') as units_passed,
        count(*) filter (where result = 'failed') as units_failed
    from {{ ref('units') }}
    group by order_id
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
    placed.value,
    latest.status,
    latest.version,
    latest.reason,
    latest.status not in ('rejected', 'expired', 'cancelled', 'delivered') as is_open,
    transitions.was_approved,
    transitions.decided_by,
    transitions.created_at,
    transitions.updated_at,
    transitions.pending_at,
    transitions.accepted_at,
    transitions.routed_at,
    transitions.in_production_at,
    transitions.in_test_at,
    transitions.shipped_at,
    transitions.delivered_at,
    transitions.ended_at,
    {{ hours_between('transitions.pending_at', 'coalesce(transitions.accepted_at, transitions.ended_at)') }}
        as hours_pending,
    {{ hours_between('transitions.created_at', 'transitions.accepted_at') }} as hours_to_accept,
    {{ hours_between('transitions.in_production_at', 'transitions.in_test_at') }} as hours_in_production,
    {{ hours_between('transitions.in_test_at', 'transitions.shipped_at') }} as hours_in_test,
    {{ hours_between('transitions.created_at', 'transitions.delivered_at') }} as hours_to_delivery,
    coalesce(built.units_built, 0) as units_built,
    coalesce(built.units_passed, 0) as units_passed,
    coalesce(built.units_failed, 0) as units_failed,
    {{ share('built.units_passed', '(built.units_passed + built.units_failed)') }} as yield
from latest
join transitions using (order_id)
left join {{ ref('stg_orders') }} as placed using (order_id)
left join {{ ref('stg_customers') }} as customers using (customer_id)
left join {{ ref('stg_products') }} as products using (sku)
left join built using (order_id)
