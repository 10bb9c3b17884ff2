"""The newest anomalies as episodes, each with its sensor's curve around it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.pool import Connection

EPISODES = 12
# Of one sensor and metric, anomalies further apart than this are told as two.
EPISODE_GAP = timedelta(hours=2)
CURVE_BUCKETS = 240
CURVE_MARGIN = (timedelta(hours=6), timedelta(days=3))


@dataclass(frozen=True)
class Episode:
    """Anomalies of one sensor and metric that follow each other; `value` is that of the worst."""

    sensor_id: str
    sensor_type: str
    metric: str
    unit: str
    start: datetime
    end: datetime
    anomalies: int
    worst_score: float
    value: float
    detector: str


@dataclass(frozen=True)
class Curve:
    """A sensor's values around an episode, thinned to each bucket's extremes, and the anomalous ones among them."""

    times: tuple[datetime, ...]
    values: tuple[float, ...]
    anomaly_times: tuple[datetime, ...]
    anomaly_values: tuple[float, ...]


async def episodes(connection: Connection, limit: int = EPISODES) -> tuple[Episode, ...]:
    """The newest anomalies, those that follow each other as one; the newest first."""
    rows = await connection.fetch(
        """
        with newest as (
            select *
            from anomalies
            order by event_time desc
            limit 2000
        ),

        starts as (
            select
                *,
                event_time - lag(event_time) over by_sensor > $1 as starts_one
            from newest
            window by_sensor as (partition by sensor_id, metric order by event_time)
        ),

        numbered as (
            select
                *,
                count(*) filter (where starts_one) over by_sensor as number
            from starts
            window by_sensor as (partition by sensor_id, metric order by event_time)
        )

        select
            sensor_id,
            metric,
            min(sensor_type) as sensor_type,
            min(unit) as unit,
            min(event_time) as start,
            max(event_time) as "end",
            count(*) as anomalies,
            (array_agg(score order by abs(score) desc))[1] as worst_score,
            (array_agg(value order by abs(score) desc))[1] as value,
            (array_agg(detector order by abs(score) desc))[1] as detector
        from numbered
        group by
            sensor_id,
            metric,
            number
        order by
            "end" desc,
            sensor_id
        limit $2
        """,
        EPISODE_GAP,
        limit,
    )
    return tuple(Episode(**row) for row in rows)


async def curve(connection: Connection, episode: Episode) -> Curve:
    """The sensor's staged values from some time before the episode to as long after it."""
    least, most = CURVE_MARGIN
    margin = min(max(2 * (episode.end - episode.start), least), most)
    span = (episode.sensor_id, episode.metric, episode.start - margin, episode.end + margin)
    points = await connection.fetch(_POINTS, *span, CURVE_BUCKETS)
    marked = await connection.fetch(
        """
        select
            event_time,
            value
        from anomalies
        where sensor_id = $1
            and metric = $2
            and event_time between $3 and $4
        order by event_time
        """,
        *span,
    )
    return Curve(
        tuple(point["event_time"] for point in points),
        tuple(point["value"] for point in points),
        tuple(point["event_time"] for point in marked),
        tuple(point["value"] for point in marked),
    )


# Not through the view `readings`: only here can the chunks' own times tell which to open.
_POINTS = """
with staged as (
    select distinct on (r.event_time)
        r.event_time,
        r.value
    from series
    join reading_chunks as c using (series_id)
    cross join lateral unnest(
        c.event_times, c.readings, c.ingested_ats, c.offsets, c.indexes
    ) as r (event_time, value, ingested_at, "offset", index)
    where series.sensor_id = $1
        and series.metric = $2
        and c.t_min <= $4
        and c.t_max >= $3
        and r.event_time between $3 and $4
    order by
        r.event_time,
        r.ingested_at desc,
        r."offset" desc,
        r.index desc
),

ranked as (
    select
        event_time,
        value,
        row_number() over (partition by bucket order by value) as from_lowest,
        row_number() over (partition by bucket order by value desc) as from_highest
    from (
        select
            *,
            width_bucket(
                extract(epoch from event_time)::float8,
                extract(epoch from $3::timestamptz)::float8,
                extract(epoch from $4::timestamptz)::float8 + 1,
                $5::integer
            ) as bucket
        from staged
    ) as in_buckets
)

select
    event_time,
    value
from ranked
where 1 in (from_lowest, from_highest)
order by event_time
"""
