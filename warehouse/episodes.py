"""Episodes for those who ask: listed, counted, the newest of all and those of one sensor."""

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
MARGIN = (timedelta(hours=6), timedelta(days=3))

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
    """Where a sensor's metric was abnormal; `peak_value` is what was most so, null when nothing was measured.

    `is_silent` while it is a drop-out that goes on.
    """

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
    is_silent: bool = False

    @property
    def surroundings(self) -> tuple[datetime, datetime]:
        """From some time before it to as long after it."""
        least, most = MARGIN
        margin = min(max(2 * (self.ended_at - self.started_at), least), most)
        return self.started_at - margin, self.ended_at + margin


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
        f"{_SHOWN} where verdict is null order by started_at desc, episode_id desc limit $1", limit
    )
    return tuple(Episode(**row) for row in rows)


async def of_sensor(connection: Connection, sensor_id: str, limit: int) -> tuple[Episode, ...]:
    """Those of one sensor that stand, the newest first."""
    rows = await connection.fetch(
        f"{_SHOWN} where sensor_id = $1 and verdict is null order by started_at desc, episode_id desc limit $2",
        sensor_id,
        limit,
    )
    return tuple(Episode(**row) for row in rows)


_SHOWN = """
select
    episode_id, sensor_id, sensor_type, metric, unit, kind, started_at, ended_at, readings, peak_value, tier,
    exists (select from silences as s where s.episode_id = e.episode_id) as is_silent
from episodes as e
"""
