{{ config(indexes=[{'columns': ['sensor_id'], 'unique': true}]) }}

select
    units.sensor_id,
    units.order_id,
    units.sku,
    products.product_name,
    products.sensor_type,
    units.line_id,
    lines.site,
    units.built_at,
    (units.built_at at time zone 'UTC')::date as day,
    units.readings,
    units.result,
    units.reason
from {{ ref('stg_units') }} as units
join {{ ref('stg_products') }} as products using (sku)
join {{ ref('stg_lines') }} as lines using (line_id)
