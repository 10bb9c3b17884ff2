with loaded as (
    select
        topic_id,
        partition,
        max(loaded_at) as loaded_at,
        max(newest_ingested_at) as newest_ingested_at
    from {{ ref('stg_slices') }}
    group by
        topic_id,
        partition
),

lost as (
    select
        topic_id,
        partition,
        count(*) as ranges,
        sum(offsets)::bigint as offsets
    from {{ ref('stg_lost_ranges') }}
    group by
        topic_id,
        partition
)

select
    ledger.topic,
    ledger.partition,
    ledger.topic_id,
    ledger.next_offset,
    -- Where the log ends is noted when somebody looks, how far it is loaded with every slice.
    greatest(0, ends.high_watermark - ledger.next_offset) as lag,
    ledger.messages,
    ledger.rows,
    ledger.cold,
    ledger.dead_letters,
    coalesce(lost.ranges, 0) as lost_ranges,
    coalesce(lost.offsets, 0) as lost_offsets,
    loaded.loaded_at,
    loaded.newest_ingested_at
from {{ ref('stg_ledger') }} as ledger
left join loaded using (topic_id, partition)
left join lost using (topic_id, partition)
left join {{ ref('stg_log_ends') }} as ends using (topic_id, partition)
