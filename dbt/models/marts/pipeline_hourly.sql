{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['hour', 'topic'],
        on_schema_change='fail',
        indexes=[{'columns': ['hour', 'topic'], 'unique': true}]
    )
}}

with loaded as (
    select
        slices.*,
        ledger.topic,
        date_trunc('hour', slices.loaded_at, 'UTC') as hour
    from {{ ref('stg_slices') }} as slices
    join {{ ref('stg_ledger') }} as ledger using (topic_id, partition)
),

hours as (
    select
        hour,
        topic,
        sum(slices)::bigint as slices,
        sum(messages)::bigint as messages,
        sum(rows)::bigint as rows,
        sum(cold)::bigint as cold,
        sum(dead_letters)::bigint as dead_letters,
        sum(bytes)::bigint as bytes,
        percentile_cont(array[0.5, 0.95]) within group (
            order by {{ seconds_between('newest_ingested_at', 'loaded_at') }}
        ) as freshness_s
    from loaded
    group by
        hour,
        topic
)

select
    hour,
    topic,
    slices,
    messages,
    rows,
    cold,
    dead_letters,
    bytes,
    freshness_s[1] as freshness_median_s,
    freshness_s[2] as freshness_p95_s
from hours
{% if is_incremental() %}
-- Slices that were merged since count as they did before: of those hours the freshness of each slice stays known here.
where not exists (
    select
    from {{ this }} as done
    where done.hour = hours.hour
        and done.topic = hours.topic
        and done.slices = hours.slices
)
{% endif %}
