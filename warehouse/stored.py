"""What the stores wrote, read back row by row as it came, for whoever holds it against its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from sensorhouse.errors import DependencyDown

_SLICES = """
select
    partition, start_offset, end_offset, messages, rows, cold, retired, dead_letters,
    checksum, cold_checksum, retired_checksum, dead_checksum
from slices
where topic_id = {topic_id}
"""
_LEDGER = "select partition, next_offset from ledger where topic_id = {topic_id}"
_ORDER_EVENTS = "select * from raw_orders where topic_id = {topic_id}"
_DEAD_LETTERS = "select * from dead_letters where topic_id = {topic_id}"
_CHUNKS = """
select
    s.sensor_id, s.sensor_type, s.metric, s.unit, c.partition, c.count,
    c.event_times, c.readings, c.qualities, c.stations, c.attributes, c.offsets, c.indexes, c.ingested_ats
from reading_chunks as c
join series as s using (series_id)
where c.topic_id = {topic_id}
"""
ARRAYS = {
    "event_times": "event_time",
    "readings": "value",
    "qualities": "quality",
    "stations": "station",
    "attributes": "attributes",
    "offsets": "offset",
    "indexes": "index",
    "ingested_ats": "ingested_at",
}


class Stored:
    """One moment of the warehouse: whatever is read of it, and however long that takes, belongs together."""

    def __init__(self, cursor: Any, topic_id: str) -> None:
        self._cursor, self._topic_id = cursor, topic_id

    def next_offsets(self) -> dict[int, int]:
        """Per partition, the first offset that is not loaded."""
        return dict(self._read(_LEDGER).iter_rows())

    def slices(self) -> pl.DataFrame:
        """What each slice of the topic amounted to when it was decoded."""
        return self._read(_SLICES)

    def rows(self, table: str) -> Iterator[pl.DataFrame]:
        """The topic's rows of a table, in pieces that fit in memory, with the names that they were decoded under."""
        if table == "reading_chunks":
            yield from map(unpacked, self._pieces(_CHUNKS))
        else:
            yield from self._pieces({"raw_orders": _ORDER_EVENTS, "dead_letters": _DEAD_LETTERS}[table])

    def _read(self, query: str) -> pl.DataFrame:
        return pl.concat(self._pieces(query))

    def _pieces(self, query: str) -> Iterator[pl.DataFrame]:
        # No bound parameter: only a query without one is streamed.
        quoted = self._topic_id.replace("'", "''")
        self._cursor.execute(query.format(topic_id=f"'{quoted}'"))
        reader = self._cursor.fetch_record_batch()
        yield pl.DataFrame(reader.schema.empty_table())
        for batch in reader:
            yield pl.DataFrame(batch)


@contextmanager
def at_one_moment(url: str, topic_id: str) -> Iterator[Stored]:
    """The warehouse as it is now; raises `DependencyDown` when Postgres does not answer."""
    try:
        with adbc.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read read only")
            yield Stored(cursor, topic_id)
    except adbc_driver_manager.Error as error:
        raise DependencyDown(f"Postgres does not answer: {error}") from error


def unpacked(chunks: pl.DataFrame, *, also: Sequence[str] = ()) -> pl.DataFrame:
    """One row per reading, with the chunk's columns `also`; a null array is one of nulls."""
    arrays = [
        pl.when(pl.col(name).is_null())
        .then(pl.lit(None, chunks.schema[name].inner).repeat_by("count"))  # type: ignore[attr-defined]
        .otherwise(pl.col(name))
        .alias(one)
        for name, one in ARRAYS.items()
    ]
    series = ("sensor_id", "sensor_type", "metric", "unit", "partition")
    return chunks.select(*series, *also, *arrays).explode(*ARRAYS.values(), empty_as_null=False)
