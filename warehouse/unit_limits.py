"""Readings of built units are held against their product's limits as they are stored."""

from __future__ import annotations

import polars as pl

from warehouse.load import Cursor, ingest

UNIT_LIMITS = pl.Schema(
    {
        "series_id": pl.Int64(),
        "sensor_id": pl.String(),
        "metric": pl.String(),
        "built_at": pl.Datetime("us", "UTC"),
        "spec_min": pl.Float64(),
        "spec_max": pl.Float64(),
    }
)

# Only series in the product's own unit of measurement have its limits.
_LIMITS = """
select s.series_id, s.sensor_id, s.metric, u.built_at, p.spec_min, p.spec_max
from units as u
join products as p using (sku)
join series as s on s.sensor_id = u.sensor_id and s.sensor_type = p.sensor_type and s.unit = p.unit
where s.series_id = any($1::text::integer[])
"""


def unit_limits(cursor: Cursor, readings: pl.DataFrame) -> pl.DataFrame:
    """UNIT_LIMITS of those series of the readings that are of units."""
    series = readings.get_column("series_id").unique().to_list()
    if not series:
        return UNIT_LIMITS.to_frame()
    cursor.execute(_LIMITS, ("{" + ",".join(map(str, series)) + "}",))
    found = pl.DataFrame(cursor.fetch_arrow_table())
    return found.select(pl.col(name).cast(kind) for name, kind in UNIT_LIMITS.items())


def hold_against_limits(cursor: Cursor, readings: pl.DataFrame, limits: pl.DataFrame) -> None:
    """Count the readings (WATCHED, in log order) that belong to a unit's test, and keep those outside of its limits."""
    if not limits.height:
        return
    tested = (
        readings.join(limits, on="series_id", maintain_order="left")
        .filter(pl.col("event_time") >= pl.col("built_at"))
        # The newest position of an event time wins, as when it is staged.
        .group_by("sensor_id", "metric", "event_time", maintain_order=True)
        .agg(pl.last("value", "spec_min", "spec_max"), count=pl.len().cast(pl.Int64))
    )
    ingest(cursor, "incoming_tests", tested, temp=True)
    cursor.execute(_COUNT)
    cursor.execute(_FAIL)
    cursor.execute(_REVISE)


_COUNT = """
update units as u set readings = u.readings + i.count
from (
    select sensor_id, sum(count)::bigint as count
    from incoming_tests
    group by sensor_id
) as i
where u.sensor_id = i.sensor_id
"""
_FAIL = """
insert into unit_failures (sensor_id, metric, event_time, value, spec_min, spec_max)
select sensor_id, metric, event_time, value, spec_min, spec_max
from incoming_tests
where value not between spec_min and spec_max
order by sensor_id, metric, event_time
on conflict (sensor_id, metric, event_time) do update set
    value = excluded.value,
    spec_min = excluded.spec_min,
    spec_max = excluded.spec_max
"""
_REVISE = """
delete from unit_failures as f
using incoming_tests as i
where (f.sensor_id, f.metric, f.event_time) = (i.sensor_id, i.metric, i.event_time)
    and i.value between i.spec_min and i.spec_max
"""
