with days as (
    select generate_series(min(day), max(day), interval '1 day')::date as day
    from {{ ref('units') }}
),

built as (
    select
        units.day,
        units.line_id,
        count(*) as units_built,
        count(distinct units.order_id) filter (where orders.is_open) as open_orders
    from {{ ref('units') }} as units
    left join {{ ref('orders') }} as orders using (order_id)
    group by
        units.day,
        units.line_id
)

select
    days.day,
    lines.line_id,
    lines.site,
    lines.capacity_per_day,
    coalesce(built.units_built, 0) as units_built,
    coalesce(built.open_orders, 0) as open_orders,
    {{ share('coalesce(built.units_built, 0)', 'lines.capacity_per_day') }} as load
from days
cross join {{ ref('stg_lines') }} as lines
left join built
    on built.day = days.day
    and built.line_id = lines.line_id
