"""Event days that leave the hot window: dropped here, and counted, so that what is left can still be checked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import psycopg

from sensorhouse.errors import DependencyDown
from warehouse.load import Cursor, ingest
from warehouse.stored import ARRAYS, unpacked

# A day that waits for a refresh stays: only what was refreshed is in the lake for sure, and staged there. A chunk lies
# within one slice: the last that starts at or before any of its offsets.
_DROP = f"""
delete from reading_chunks as c
using series as s
where s.series_id = c.series_id
    and c.day = date '{{day}}'
    and not exists (select from touched_keys as t where t.day = c.day)
returning s.sensor_id, s.sensor_type, s.metric, s.unit, c.topic_id, c.partition, c.count, {", ".join(ARRAYS)}, (
    select max(start_offset)
    from slices as l
    where l.topic_id = c.topic_id and l.partition = c.partition and l.start_offset <= c.offsets[1]
) as start_offset
"""

_DROPPED = """
create temp table if not exists dropped (
    topic_id text, partition integer, start_offset bigint, rows bigint, checksum bigint
) on commit drop
"""

_COUNT_IN_SLICES = """
update slices as s set
    retired = s.retired + d.rows,
    retired_checksum = wrapped_sum(s.retired_checksum, d.checksum)
from dropped as d
where (s.topic_id, s.partition, s.start_offset) = (d.topic_id, d.partition, d.start_offset)
"""

_COUNT_BY_DAY = """
insert into retired as r (topic_id, partition, day, rows, checksum) values ($1, $2, $3, $4, $5)
on conflict (topic_id, partition, day) do update set
    rows = r.rows + excluded.rows,
    checksum = wrapped_sum(r.checksum, excluded.checksum),
    retired_at = now()
"""

_SUM = pl.col("checksum").sum().reinterpret(signed=True)


def days_before(connection: psycopg.Connection, day: date) -> list[date]:
    """The event days before that one of which readings are here, the oldest first."""
    found = connection.execute("select distinct day from reading_chunks where day < %s order by day", [day])
    return [row[0] for row in found]


def retire(url: str, day: date, checksums: Callable[[pl.DataFrame], pl.Series]) -> int:
    """Drop a day's readings and count them where they came from, in one transaction; returns how many rows.

    None are dropped while the day waits for a refresh. Raises `DependencyDown` when Postgres does not answer; then
    either all of it was done or nothing.
    """
    try:
        with adbc.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(_DROPPED)
            cursor.execute(_DROP.format(day=day.isoformat()))
            chunks = pl.DataFrame(cursor.fetch_arrow_table())
            if chunks.height:
                rows = unpacked(chunks, also=("topic_id", "start_offset"))
                _count(cursor, day, rows.with_columns(checksums(rows)))
            connection.commit()
    except adbc_driver_manager.Error as error:
        raise DependencyDown(f"Postgres did not retire {day}: {error}") from error
    return int(chunks.get_column("count").sum())


def _count(cursor: Cursor, day: date, rows: pl.DataFrame) -> None:
    """Count rows (topic_id, partition, start_offset of their slice, checksum) wherever they were counted as stored."""
    by_slice = rows.group_by("topic_id", "partition", "start_offset").agg(rows=pl.len().cast(pl.Int64), checksum=_SUM)
    ingest(cursor, "dropped", by_slice, temp=True)
    cursor.execute(_COUNT_IN_SLICES)
    by_partition = (
        rows.group_by("topic_id", "partition").agg(rows=pl.len(), checksum=_SUM).sort("topic_id", "partition")
    )
    for topic_id, partition, count, checksum in by_partition.iter_rows():
        cursor.execute(_COUNT_BY_DAY, (topic_id, partition, day, count, checksum))
