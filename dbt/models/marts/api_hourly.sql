with times as (
    select
        hour,
        method,
        route,
        up_to_s,
        sum(answers) over (
            partition by hour, method, route
            order by up_to_s nulls last
        ) as so_far,
        sum(answers) over (partition by hour, method, route) as answers
    from {{ ref('stg_answer_times') }}
)

select
    hour,
    method,
    route,
    max(answers)::bigint as answers,
    -- Null when so many took longer than the longest bound.
    min(up_to_s) filter (where so_far >= 0.50 * answers) as median_s,
    min(up_to_s) filter (where so_far >= 0.95 * answers) as p95_s,
    min(up_to_s) filter (where so_far >= 0.99 * answers) as p99_s
from times
group by
    hour,
    method,
    route
