"""Episodes for tests: put into the warehouse, and series in which there is something to find."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sensorhouse.settings import Settings
from tests.readings import NOON, reading
from warehouse.database import connect


def mark_episode(
    settings: Settings,
    sensor: str,
    start: datetime,
    end: datetime | None = None,
    *,
    sensor_type: str = "temperature",
    metric: str = "temperature",
    kind: str = "spike",
    tier: str = "online",
    score: float = 9.0,
    verdict: str | None = None,
) -> str:
    """Put one into the warehouse; returns its id."""
    with connect(settings.database_url) as connection:
        row = connection.execute(
            """
            insert into episodes (
                sensor_id, sensor_type, metric, unit, day, kind, started_at, peak_at, ended_at, readings, peak_score,
                peak_value, tier, verdict, settled_at
            )
            values (
                %(sensor)s, %(sensor_type)s, %(metric)s, 'C', (%(start)s at time zone 'UTC')::date, %(kind)s, %(start)s,
                %(start)s, %(end)s, 1, %(score)s, 1, %(tier)s, %(verdict)s,
                case when %(verdict)s::text is not null then now() end
            )
            returning episode_id::text
            """,
            {
                "sensor": sensor,
                "sensor_type": sensor_type,
                "metric": metric,
                "kind": kind,
                "start": start,
                "end": end or start,
                "score": score,
                "tier": tier,
                "verdict": verdict,
            },
        ).fetchone()
    assert row
    return str(row[0])


def mark_spikes(settings: Settings, *, above: float = -math.inf, below: float = math.inf) -> None:
    """As a drain does: put each reading above and below these into the warehouse as a spike."""
    with connect(settings.database_url) as connection:
        connection.execute(
            """
            insert into episodes (
                sensor_id, sensor_type, metric, unit, day, kind, started_at, peak_at, ended_at, readings, peak_score,
                peak_value, tier
            )
            select
                sensor_id, sensor_type, metric, unit, day, 'spike', event_time, event_time, event_time, 1, 9,
                value, 'online'
            from readings
            where value > %s and value < %s
            """,
            [above, below],
        )


def steady(sensor: str = "probe-1", *, days: float = 3, until: datetime = NOON) -> list[dict[str, Any]]:
    """A reading every five minutes of a day's rhythm with a little noise, the last before `until`."""
    count = int(days * 288)
    dice = Random(count)
    return [
        reading(
            sensor,
            at=until - timedelta(minutes=5) * (count - i),
            value=round(20 + 3 * math.sin(2 * math.pi * (i - count) / 288) + dice.gauss(0, 0.3), 3),
        )
        for i in range(count)
    ]
