"""One sensor: what it measures, when it was heard of last, and the unit that it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from warehouse.episodes import Episode, of_sensor

if TYPE_CHECKING:
    from warehouse.pool import Connection

EPISODES = 50


@dataclass(frozen=True)
class Series:
    """One thing that a sensor measures; `last_at` is of its newest reading."""

    metric: str
    sensor_type: str
    unit: str
    last_at: datetime | None


@dataclass(frozen=True)
class Tested:
    """The unit that a sensor is: for which order it was built, where, and what its test says and why."""

    order_id: UUID
    customer_id: str
    sku: str
    line_id: str
    built_at: datetime
    result: str
    readings: int
    reasons: list[str]


@dataclass(frozen=True)
class Sensor:
    """All that is known of a sensor but its readings; without series nothing was ever heard of it."""

    sensor_id: str
    series: tuple[Series, ...]
    episodes: tuple[Episode, ...]
    tested: Tested | None


async def find_sensor(connection: Connection, sensor_id: str) -> Sensor:
    """The sensor with its newest episodes."""
    series = await connection.fetch(
        """
        select s.metric, s.sensor_type, s.unit, newest.last_at
        from series as s
        cross join lateral (
            select max(c.t_max) as last_at
            from reading_chunks as c
            where c.series_id = s.series_id
                -- Of its last day: a later chunk may hold earlier readings.
                and c.t_min >= date_trunc(
                    'day', (select max(t_min) from reading_chunks where series_id = s.series_id), 'UTC'
                )
        ) as newest
        where s.sensor_id = $1
        order by s.metric, s.unit, s.sensor_type
        """,
        sensor_id,
    )
    tested = await connection.fetchrow(
        """
        select order_id, customer_id, r.sku, line_id, built_at, result, readings, reasons
        from unit_results as r
        join orders using (order_id)
        where sensor_id = $1
        """,
        sensor_id,
    )
    return Sensor(
        sensor_id,
        tuple(Series(**row) for row in series),
        await of_sensor(connection, sensor_id, EPISODES),
        Tested(**tested) if tested else None,
    )
