"""What the online detector has to remember and to have noticed, by seeing the whole log at once."""

from __future__ import annotations

import polars as pl

from assets.watching import watch_readings
from sensorhouse.settings import Settings
from tests.readings import warehouse_rows
from warehouse.watching import WATCHED

_LOG = """
select r.partition, s.series_id, r.event_time, r.value
from raw_readings as r
join series as s using (sensor_id, sensor_type, metric, unit)
order by r.partition, r."offset", r.index
"""


def remembered(settings: Settings) -> dict[int, bytes]:
    """The detector's state by partition, as drains left it."""
    return dict(warehouse_rows(settings, "select partition, state from detector_state"))


def replayed(settings: Settings) -> dict[int, bytes]:
    """The same, of a detector that sees each partition's stored readings at once, from the first."""
    log = pl.DataFrame(warehouse_rows(settings, _LOG), {"partition": pl.Int32, **WATCHED}, orient="row")
    return {
        partition: watch_readings(None, rows.select(WATCHED.names()))[0]
        for (partition,), rows in log.group_by("partition")
    }


def forgotten(settings: Settings) -> int:
    """Partitions whose detector has seen a reading twice, or not at all."""
    known, wanted = remembered(settings), replayed(settings)
    return sum(known.get(partition) != state for partition, state in wanted.items())
