select
    topic_id,
    partition,
    high_watermark
from {{ source('warehouse', 'log_ends') }}
