{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        indexes=[
            {'columns': ['event_id'], 'unique': true},
            {'columns': ['topic_id', 'partition', 'kafka_offset']},
            {'columns': ['order_id', 'version']},
        ]
    )
}}

-- depends_on: {{ ref('stg_ledger') }}
-- What this table lacks: of each partition, what lies behind the last event that it took from there.
with incoming as (
    {% if is_incremental() %}
    select raw.*
    from {{ ref('stg_ledger') }} as ledger
    cross join lateral (
        select coalesce(max(kafka_offset), -1) as newest
        from {{ this }} as taken
        where taken.topic_id = ledger.topic_id and taken.partition = ledger.partition
    ) as taken
    join {{ ref('stg_order_events') }} as raw
        on raw.topic_id = ledger.topic_id
        and raw.partition = ledger.partition
        and raw.kafka_offset > taken.newest
    where not exists (
        select
        from {{ this }} as earlier
        where earlier.event_id = raw.event_id
    )
    {% else %}
    select * from {{ ref('stg_order_events') }}
    {% endif %}
)

select distinct on (event_id)
    event_id,
    order_id,
    version,
    type,
    status,
    customer_id,
    sku,
    quantity,
    actor,
    reason,
    occurred_at,
    (occurred_at at time zone 'UTC')::date as day,
    topic_id,
    partition,
    kafka_offset
from incoming
order by
    event_id,
    ingested_at,
    kafka_offset
