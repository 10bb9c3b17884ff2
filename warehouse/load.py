"""Loads batches into Postgres: rows, dead letters, touched keys and ledger in one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pyarrow as pa

from sensorhouse.errors import DependencyDown, Fenced, MarkMissing
from warehouse.batches import DEAD_LETTER, Batch
from warehouse.steps import AtStep, Step, no_step

Cursor = Any
"""ADBC's, whose methods carry no types."""


class Store(Protocol):
    """How a feed's rows lie in the warehouse."""

    def prepare(self, batch: Batch) -> Any:
        """What is to be written of a batch: all that can be done before its transaction begins."""

    def write(self, cursor: Cursor, rows: Any) -> None:
        """Write what was prepared, within the open transaction."""


@dataclass(frozen=True)
class Prepared:
    """A batch, and what its store made of it."""

    batch: Batch
    rows: Any


_INCOMING = """
create temp table if not exists incoming_ranges (
    topic_id text, run_id text, partition integer, start_offset bigint, end_offset bigint,
    messages bigint, bytes bigint, rows bigint, cold bigint, dead_letters bigint,
    checksum bigint, cold_checksum bigint, dead_checksum bigint,
    oldest_ingested_at timestamptz, newest_ingested_at timestamptz,
    read_s double precision, decode_s double precision
) on commit delete rows;
create temp table if not exists incoming_series (
    sensor_id text, sensor_type text, metric text, unit text
) on commit delete rows;
create temp table if not exists incoming_keys (
    day date, sensor_type text, topic_id text, partition integer, end_offset bigint
) on commit delete rows;
create temp table if not exists incoming_incidents (
    series_id bigint, is_new boolean, kind text, started_at timestamptz, peak_at timestamptz, ended_at timestamptz,
    readings integer, peak_score double precision, peak_value double precision
) on commit delete rows;
create temp table if not exists incoming_tests (
    sensor_id text, metric text, event_time timestamptz, value double precision, spec_min double precision,
    spec_max double precision, count bigint
) on commit delete rows
"""

_ADVANCE = """
update ledger as l set
    next_offset = i.end_offset,
    messages = l.messages + i.messages,
    rows = l.rows + i.rows,
    cold = l.cold + i.cold,
    dead_letters = l.dead_letters + i.dead_letters,
    updated_at = now()
from incoming_ranges as i
where l.topic_id = i.topic_id and l.partition = i.partition and l.next_offset = i.start_offset
returning l.partition
"""

_REMEMBER_SLICES = """
insert into slices (
    topic_id, run_id, partition, start_offset, end_offset, messages, bytes, rows, cold, dead_letters,
    checksum, cold_checksum, dead_checksum, oldest_ingested_at, newest_ingested_at, read_s, decode_s, load_s
)
select
    topic_id, run_id, partition, start_offset, end_offset, messages, bytes, rows, cold, dead_letters,
    checksum, cold_checksum, dead_checksum, oldest_ingested_at, newest_ingested_at, read_s, decode_s,
    $1::double precision / count(*) over ()
from incoming_ranges
"""


# A drain that lies still within its transaction holds rows of the ledger: no heir waits longer for them than this.
_STILL_S = 30
_PIECE_ROWS = 500


class Loader:
    """Loads one topic's batches over a connection that it keeps open; remembers where the ledger stands."""

    def __init__(
        self, url: str, *, topic: str, topic_id: str, store: Store, run_id: str, step: AtStep = no_step
    ) -> None:
        self._url, self._topic, self._topic_id = url, topic, topic_id
        self._store, self._run_id, self._step = store, run_id, step
        self.next_offsets: dict[int, int] = {}
        self._connect()

    def _connect(self) -> None:
        with _answering():
            self._connection = adbc.connect(self._url)
            with self._connection.cursor() as cursor:
                cursor.execute(f"set idle_in_transaction_session_timeout = '{_STILL_S}s'")
                for statement in _INCOMING.split(";"):
                    cursor.execute(statement)
            self._connection.commit()

    def attach(self, starts: Mapping[int, int], table: str) -> dict[int, int]:
        """Where each partition goes on; a partition seen for the first time begins at its `starts`.

        Raises `MarkMissing` when `table` holds rows of a partition that the ledger doesn't know.
        """
        with _answering(), self._connection.cursor() as cursor:
            known = self._read(cursor)
            for partition in starts.keys() - known.keys():
                cursor.execute(
                    f"select exists (select from {table} where topic_id = $1 and partition = $2)",
                    (self._topic_id, partition),
                )
                if cursor.fetchone()[0]:
                    raise MarkMissing(self._topic, partition, table)
                cursor.execute(
                    "insert into ledger (topic_id, partition, topic, next_offset) values ($1, $2, $3, $4)"
                    " on conflict do nothing",
                    (self._topic_id, partition, self._topic, starts[partition]),
                )
            self.next_offsets = self._read(cursor)
            self._connection.commit()
        return dict(self.next_offsets)

    def prepare(self, batch: Batch) -> Prepared:
        """Make a batch ready to be loaded; may be done while the one before is being loaded."""
        return Prepared(batch, self._store.prepare(batch))

    def load(self, prepared: Prepared) -> None:
        """Load what the warehouse has not got of a batch; all of it or nothing.

        Raises `Fenced` when another drain moved the ledger, `OffsetGap` when the batch starts too late.
        """
        batch = prepared.batch.trimmed(self.next_offsets)
        if not batch.ranges:
            return
        if batch is not prepared.batch:
            prepared = self.prepare(batch)
        try:
            with self._connection.cursor() as cursor:
                self._write(cursor, prepared)
            self._connection.commit()
            self._step(Step.WAREHOUSE_COMMITTED)
        except adbc_driver_manager.Error as error:
            self._settle(batch, error)
        except BaseException:
            # What went wrong first is what is told.
            with suppress(adbc_driver_manager.Error):
                self._connection.rollback()
            raise
        self.next_offsets |= {partition: covered.end for partition, covered in batch.ranges.items()}

    def close(self) -> None:
        """Close the connection; what was not committed is gone."""
        self._connection.close()

    def _write(self, cursor: Cursor, prepared: Prepared) -> None:
        began, batch = time.monotonic(), prepared.batch
        ours = {"topic_id": pl.lit(self._topic_id), "run_id": pl.lit(self._run_id)}
        ingest(cursor, "incoming_ranges", batch.counts().with_columns(**ours), temp=True)
        # The ledger first: its row lock makes a second writer wait here, and then find that it lost.
        cursor.execute(_ADVANCE)
        if len(cursor.fetchall()) != len(batch.ranges):
            raise Fenced(f"{self._topic}: another drain moved the ledger past {dict(self.next_offsets)}")
        self._step(Step.LEDGER_ADVANCED)
        self._store.write(cursor, prepared.rows)
        self._step(Step.ROWS_COPIED)
        if batch.dead.height:
            named = {"topic_id": pl.lit(self._topic_id), "topic": pl.lit(self._topic)}
            ingest(cursor, "dead_letters", batch.dead.select(DEAD_LETTER.names()).with_columns(**named))
        self._step(Step.DEAD_LETTERS_COPIED)
        cursor.execute(_REMEMBER_SLICES, (time.monotonic() - began,))

    def _settle(self, batch: Batch, error: adbc_driver_manager.Error) -> None:
        """After an error during commit: the ledger says whether it had succeeded."""
        self._connection.close()
        self._connect()
        with _answering(), self._connection.cursor() as cursor:
            now = self._read(cursor)
            self._connection.commit()
        if all(now[partition] == covered.end for partition, covered in batch.ranges.items()):
            return
        if all(now[partition] == covered.start for partition, covered in batch.ranges.items()):
            raise DependencyDown(f"Postgres did not take a slice of {self._topic}: {error}") from error
        raise Fenced(f"{self._topic}: the ledger moved to {now} during a commit") from error

    def _read(self, cursor: Cursor) -> dict[int, int]:
        cursor.execute("select partition, next_offset from ledger where topic_id = $1", (self._topic_id,))
        return dict(cursor.fetchall())


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except adbc_driver_manager.Error as error:
        raise DependencyDown(f"Postgres does not answer: {error}") from error


def ingest(cursor: Cursor, table: str, frame: pl.DataFrame, *, temp: bool = False) -> None:
    """COPY a frame's columns to the table's of the same names."""
    # One chunk a column: the driver aborts the process on columns that are chunked differently.
    data = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    # The driver sends piece by piece: the server is at work on one while the next is put together.
    pieces = pa.RecordBatchReader.from_batches(data.schema, data.to_batches(max_chunksize=_PIECE_ROWS))
    cursor.adbc_ingest(table, pieces, mode="append", temporary=temp)
