"""Episodes for those who ask: listed, counted, and the newest with their sensors' curves around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from warehouse.readings import BEGINNING, END, Row, Selection

if TYPE_CHECKING:
    from warehouse.pool import Connection

NEWEST = 12
CURVE_BUCKETS = 240
CURVE_MARGIN = (timedelta(hours=6), timedelta(days=3))

Position = tuple[datetime, UUID]


@dataclass(frozen=True)
class Asked:
    """Which episodes: those that began within the selection's times; only those that stand, unless `settled`."""

    chosen: Selection
    kind: str | None = None
    tier: str | None = None
    settled: bool = False

    @property
    def parameters(self) -> tuple[object, ...]:
        """For _WHERE."""
        chosen = self.chosen
        times = (chosen.start or BEGINNING, chosen.end or END)
        return (chosen.sensor_id, chosen.sensor_type, chosen.metric, *times, self.kind, self.tier, self.settled)


@dataclass(frozen=True)
class Episode:
    """Where a sensor's metric was abnormal; `peak_value` is what was most so, null when nothing was measured."""

    episode_id: UUID
    sensor_id: str
    sensor_type: str
    metric: str
    unit: str
    kind: str
    started_at: datetime
    ended_at: datetime
    readings: int
    peak_value: float | None
    tier: str


@dataclass(frozen=True)
class Curve:
    """A sensor's values around an episode, thinned to each bucket's extremes."""

    times: tuple[datetime, ...]
    values: tuple[float, ...]


_WHERE = """
where ($1::text is null or sensor_id = $1)
    and ($2::text is null or sensor_type = $2)
    and ($3::text is null or metric = $3)
    and started_at >= $4
    and started_at < $5
    and ($6::text is null or kind = $6)
    and ($7::text is null or tier = $7)
    and ($8 or verdict is null)
"""


async def listed(connection: Connection, asked: Asked, *, after: Position | None, limit: int) -> list[Row]:
    """The newest first, at most `limit`; `after` is the last of the page before."""
    rows = await connection.fetch(
        f"""
        select
            episode_id, sensor_id, sensor_type, metric, unit, kind, started_at, peak_at, ended_at, readings,
            peak_score, peak_value, tier, noticed_at, verdict, settled_by, settled_at
        from episodes
        {_WHERE}
            and ($9::timestamptz is null or (started_at, episode_id) < ($9, $10::uuid))
        order by started_at desc, episode_id desc
        limit $11
        """,
        *asked.parameters,
        *(after or (None, None)),
        limit,
    )
    return [dict(row) for row in rows]


async def counted(connection: Connection, asked: Asked) -> Mapping[tuple[str, str], int]:
    """How many episodes there are, by sensor type and kind."""
    rows = await connection.fetch(
        f"""
        select sensor_type, kind, count(*) as count
        from episodes
        {_WHERE}
        group by sensor_type, kind
        order by sensor_type, kind
        """,
        *asked.parameters,
    )
    return {(row["sensor_type"], row["kind"]): row["count"] for row in rows}


async def newest(connection: Connection, limit: int = NEWEST) -> tuple[Episode, ...]:
    """The newest that stand, the newest first."""
    rows = await connection.fetch(
        """
        select
            episode_id, sensor_id, sensor_type, metric, unit, kind, started_at, ended_at, readings, peak_value, tier
        from episodes
        where verdict is null
        order by started_at desc, episode_id desc
        limit $1
        """,
        limit,
    )
    return tuple(Episode(**row) for row in rows)


async def curve(connection: Connection, episode: Episode) -> Curve:
    """The sensor's staged values from some time before the episode to as long after it."""
    least, most = CURVE_MARGIN
    margin = min(max(2 * (episode.ended_at - episode.started_at), least), most)
    points = await connection.fetch(
        _POINTS,
        *(episode.sensor_id, episode.metric, episode.started_at - margin, episode.ended_at + margin, CURVE_BUCKETS),
    )
    return Curve(tuple(point["event_time"] for point in points), tuple(point["value"] for point in points))


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
