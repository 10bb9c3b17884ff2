"""What lake and warehouse hold of the benchmark's readings: how far they are, and whether it is what was sent."""

from __future__ import annotations

from collections.abc import Mapping

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from bench.data import COLUMNS, checksum
from bench.topics import Sent
from sensorhouse.settings import Settings
from sensors_io.lake import open_lake
from sensors_io.reading import READING
from warehouse import ledger
from warehouse.database import Connection, connect

# Those that a drain of readings writes, and those that the API's queries read.
TABLES = ("series", "reading_chunks", "slices", "ledger", "touched_keys", "dead_letters", "lake_marks", "lake_commits")
_SCHEMA = pl.Schema({name: READING[name] for name in COLUMNS})
_ROWS = 500_000


def loaded(connection: Connection, topic_id: str, ends: Mapping[int, int]) -> bool:
    """Whether the warehouse has everything before these offsets."""
    offsets = ledger.next_offsets(connection, topic_id)
    return all(offsets.get(partition, 0) >= end for partition, end in ends.items())


def in_both(connection: Connection, topic_id: str, ends: Mapping[int, int]) -> bool:
    """Whether the warehouse and the lake have everything before these offsets, committed."""
    marks = ledger.lake_marks(connection, topic_id)
    return all(marks.get(p, 0) >= end for p, end in ends.items()) and loaded(connection, topic_id, ends)


def differences(settings: Settings, sent: Sent) -> list[str]:
    """How the sinks' rows and checksums differ from what was sent; empty when each has every reading exactly once."""
    held = {"lake": _lake(settings), "warehouse": _warehouse(settings)}
    wanted = (sent.readings, sent.checksum)
    return [f"the {sink} holds {found}, not {wanted}" for sink, found in held.items() if found != wanted]


def indexes(settings: Settings) -> list[str]:
    """The indexes of the tables, as Postgres words them."""
    with connect(settings.database_url) as connection:
        rows = connection.execute(
            "select indexdef from pg_indexes where schemaname = 'public' and tablename = any(%s) order by 1",
            [list(TABLES)],
        )
        return [definition.replace(" ON public.", " on ") for (definition,) in rows]


def _lake(settings: Settings) -> tuple[int, int]:
    rows = found = 0
    for batch in open_lake(settings).scan("raw_readings").select(COLUMNS).collect_batches(chunk_size=_ROWS):
        rows, found = rows + batch.height, found + checksum(batch.cast(_SCHEMA))
    return rows, found


def _warehouse(settings: Settings) -> tuple[int, int]:
    rows = found = 0
    with adbc.connect(settings.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(f"select {', '.join(COLUMNS)} from raw_readings")
        for batch in cursor.fetch_record_batch():
            frame = pl.DataFrame(batch).cast(_SCHEMA)
            rows, found = rows + frame.height, found + checksum(frame)
    return rows, found
