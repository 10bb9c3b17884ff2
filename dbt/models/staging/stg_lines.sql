select
    line_id,
    site,
    capacity_per_day
from {{ source('warehouse', 'lines') }}
