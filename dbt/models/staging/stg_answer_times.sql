select
    hour,
    method,
    route,
    nullif(up_to_s, 'infinity') as up_to_s,
    answers
from {{ source('warehouse', 'answer_times') }}
