select
    episodes.episode_id,
    episodes.day,
    episodes.sensor_id,
    episodes.sensor_type,
    episodes.metric,
    episodes.unit,
    episodes.kind,
    episodes.started_at,
    episodes.peak_at,
    episodes.ended_at,
    {{ seconds_between('episodes.started_at', 'episodes.ended_at') }} as duration_s,
    silences.episode_id is not null as is_going_on,
    episodes.readings,
    episodes.peak_score,
    episodes.peak_value,
    episodes.tier,
    episodes.noticed_at,
    units.order_id,
    units.line_id,
    units.site
from {{ ref('stg_episodes') }} as episodes
left join {{ ref('stg_silences') }} as silences using (episode_id)
left join {{ ref('units') }} as units using (sensor_id)
where episodes.stands
