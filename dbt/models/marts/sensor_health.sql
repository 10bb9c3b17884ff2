with ends as (
    select
        max(day) - 6 as first_day,
        max(last_at) as newest_at
    from {{ ref('readings_daily') }}
),

-- Of a metric that changed its unit or type, what it is now.
latest as (
    select distinct on (sensor_id, metric)
        sensor_id,
        metric,
        sensor_type,
        unit,
        last_at as last_seen
    from {{ ref('readings_daily') }}
    order by
        sensor_id,
        metric,
        last_at desc
),

recent as (
    select
        daily.sensor_id,
        daily.metric,
        sum(daily.readings)::bigint as readings,
        min(daily.first_at) as first_at,
        percentile_cont(0.5) within group (order by daily.interval_s) as interval_s
    from {{ ref('readings_daily') }} as daily
    join ends on daily.day >= ends.first_day
    group by
        daily.sensor_id,
        daily.metric
),

abnormal as (
    select
        episodes.sensor_id,
        episodes.metric,
        count(*) filter (where episodes.day >= ends.first_day) as episodes,
        max(episodes.ended_at) filter (where episodes.kind <> 'drop_out') as abnormal_until,
        bool_or(episodes.is_going_on) as is_silent
    from {{ ref('episodes') }} as episodes
    cross join ends
    group by
        episodes.sensor_id,
        episodes.metric
),

last_episode as (
    select distinct on (sensor_id, metric)
        sensor_id,
        metric,
        kind,
        started_at
    from {{ ref('episodes') }}
    order by
        sensor_id,
        metric,
        started_at desc,
        episode_id desc
)

select
    latest.sensor_id,
    latest.metric,
    latest.sensor_type,
    latest.unit,
    latest.last_seen,
    coalesce(recent.readings, 0) as readings_7d,
    -- From the first reading of these days on: a sensor that is new has not missed anything before.
    case
        when recent.readings is null then 0
        when recent.interval_s > 0 then least(
            1,
            recent.readings / greatest(
                1, round({{ seconds_between('recent.first_at', 'ends.newest_at') }} / recent.interval_s)
            )
        )
    end as coverage_7d,
    coalesce(abnormal.episodes, 0) as episodes_7d,
    last_episode.kind as last_episode_kind,
    last_episode.started_at as last_episode_at,
    case
        when abnormal.is_silent or recent.readings is null then 'silent'
        when abnormal.abnormal_until >= ends.newest_at - interval '1 day' then 'abnormal'
        else 'well'
    end as health
from latest
cross join ends
left join recent using (sensor_id, metric)
left join abnormal using (sensor_id, metric)
left join last_episode using (sensor_id, metric)
