with counted as (
    select
        day,
        sku,
        line_id,
        sensor_type,
        site,
        count(*) as built,
        count(*) filter (where result = 'passed') as passed,
        count(*) filter (where result = 'failed') as failed,
        count(*) filter (where result = 'untested') as untested
    from {{ ref('units') }}
    group by
        day,
        sku,
        line_id,
        sensor_type,
        site
)

select
    *,
    {{ share('passed', '(passed + failed)') }} as yield
from counted
