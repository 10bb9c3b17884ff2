"""The drain: a topic's new slices into the lake and the warehouse, each at its own pace, exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import polars as pl
import structlog

from sensorhouse.errors import LogTruncated
from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.balance import Balance, balance
from sensors_io.feeds import DEAD_LETTERS, DEAD_LETTERS_SCHEMA, Feed
from sensors_io.lake import Lake, MarkedTable
from sensors_io.slices import Slice, SliceReader
from warehouse import ledger, locks
from warehouse.batches import Batch, merged
from warehouse.database import connect
from warehouse.load import Loader
from warehouse.locks import Lock

# A guess for the first slice; each later one goes by what the last slice held.
_ROWS_PER_BYTE = 1 / 20

Step = Callable[[str], None]
"""Called with the name of what was just done: tests kill the process there."""


@dataclass
class Drained:
    """What one run of the drain did."""

    slices: int = 0
    messages: int = 0
    rows: int = 0
    dead_letters: int = 0
    lake_commits: int = 0
    seconds: float = 0.0
    refused: str | None = None
    balance: Balance | None = None
    truncated: list[LogTruncated] = field(default_factory=list)


def drain(
    settings: Settings,
    feed: Feed,
    lake: Lake,
    *,
    run_id: str,
    stopped: Callable[[], bool] = lambda: False,
    step: Step = lambda _: None,
) -> Drained:
    """Drain the feed's topic until it has been caught up for `linger_s`, `max_run_s` has passed, or `stopped` says so.

    At most one drain of a topic is at work; another finds `refused` set and nothing done. Raises `Fenced` when
    its place was taken all the same, and `OffsetGap`, `MarkMissing` or `DependencyDown` as they come.
    """
    client = kafka.admin(settings)
    topic = kafka.describe(client, feed.topic)
    with connect(settings.database_url, autocommit=True) as connection:
        if not locks.take(connection, Lock.DRAIN, topic.id):
            return Drained(refused="another drain of this topic is at work")
        ranges = kafka.log_ranges(client, topic)
        starts = {partition: held.low for partition, held in ranges.items()}
        sinks = _Sinks(settings, feed, lake, topic, run_id, step)
        try:
            next_offsets = sinks.attach(starts)
            truncated = [
                LogTruncated(topic.name, p, next_offset=offset, low=ranges[p].low, high=ranges[p].high_watermark)
                for p, offset in next_offsets.items()
                if not ranges[p].low <= offset <= ranges[p].high_watermark
            ]
            lost = {error.partition for error in truncated}
            readable = {p: offset for p, offset in next_offsets.items() if p not in lost}
            drained = _run(settings, feed, topic, readable, sinks, stopped)
            drained.truncated += truncated
            # While the lock is held nobody else writes, so that the sinks can be compared.
            drained.balance = balance(settings, feed, lake)
            return drained
        finally:
            sinks.close()


def _run(
    settings: Settings,
    feed: Feed,
    topic: kafka.Topic,
    start: dict[int, int],
    sinks: _Sinks,
    stopped: Callable[[], bool],
) -> Drained:
    drained = Drained()
    began = busy = time.monotonic()
    rows_per_byte = _ROWS_PER_BYTE
    reader = SliceReader(kafka.consumer(settings), topic, start)
    try:
        while not stopped() and time.monotonic() - began < settings.max_run_s:
            read = reader.read(
                max_messages=settings.slice_rows,
                max_bytes=min(settings.slice_bytes, int(settings.slice_rows / rows_per_byte) + 1),
                max_age_s=settings.slice_s,
            )
            if read:
                busy = time.monotonic()
                batch = feed.decode(read)
                rows_per_byte = _rate(read, batch, rows_per_byte)
                sinks.write(batch)
                drained.slices += 1
                drained.messages += batch.messages.height
                drained.rows += batch.rows.height
                drained.dead_letters += batch.dead.height
            elif time.monotonic() - busy >= settings.linger_s:
                break
            sinks.flush_if_due()
        sinks.finish()
    finally:
        reader.close()
    drained.lake_commits = sinks.lake_commits
    drained.seconds = time.monotonic() - began
    for partition, why in reader.lost.items():
        structlog.get_logger().error("partition stopped", topic=topic.name, partition=partition, reason=why)
    return drained


def _rate(read: Slice, batch: Batch, before: float) -> float:
    size = read.size_bytes
    return max(batch.rows.height / size, 1e-6) if size else before


class _Sinks:
    """Both sinks, each written by a thread of its own while the next slice is read."""

    def __init__(self, settings: Settings, feed: Feed, lake: Lake, topic: kafka.Topic, run_id: str, step: Step) -> None:
        self._settings, self._topic, self._step = settings, topic, step
        self._feed = feed
        self._loader = Loader(
            settings.database_url, topic=topic.name, topic_id=topic.id, store=feed.store, run_id=run_id
        )
        by_day = ["ingest_day"]
        self._raw = MarkedTable(lake, feed.lake_table, feed.lake_schema, partition_by=by_day, topic_id=topic.id)
        self._dead = MarkedTable(lake, DEAD_LETTERS, DEAD_LETTERS_SCHEMA, partition_by=by_day, topic_id=topic.id)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="sink")
        self._loading: Future[None] | None = None
        self._flushing: Future[None] | None = None
        self._pending: list[Batch] = []
        self._pending_since = 0.0
        self.lake_commits = 0

    def attach(self, starts: dict[int, int]) -> dict[int, int]:
        """The lowest offset, per partition, that any of the tables has not got."""
        tables = (
            self._loader.attach(starts, self._feed.warehouse_table),
            self._raw.attach(self._topic.name, starts),
            self._dead.attach(self._topic.name, starts),
        )
        self._report()
        return {partition: min(table[partition] for table in tables) for partition in starts}

    def write(self, batch: Batch) -> None:
        """Hand a batch to both sinks; waits while the warehouse still writes the one before."""
        _settle(self._loading)
        self._loading = self._threads.submit(self._load, batch)
        if not self._pending:
            self._pending_since = time.monotonic()
        self._pending.append(batch)

    def flush_if_due(self) -> None:
        """Start a lake commit when what waits is old or large enough; waits while one before is under way."""
        if not self._pending:
            return
        size = sum(batch.rows.estimated_size() for batch in self._pending)
        age = time.monotonic() - self._pending_since
        if size >= self._settings.lake_flush_bytes or age >= self._settings.lake_flush_s:
            self._flush()

    def finish(self) -> None:
        """Write what waits, to both; returns when it is durable."""
        _settle(self._loading)
        if self._pending:
            self._flush()
        _settle(self._flushing)

    def close(self) -> None:
        """Let the threads end and leave the servers."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._loader.close()

    def _flush(self) -> None:
        _settle(self._flushing)
        pending, self._pending = self._pending, []
        self._flushing = self._threads.submit(self._commit, pending)

    def _load(self, batch: Batch) -> None:
        self._loader.load(batch)
        self._step("warehouse")

    def _commit(self, pending: list[Batch]) -> None:
        batch = merged(pending)
        self._append(self._raw, batch, lambda trimmed: trimmed.rows)
        self._step("lake raw")
        self._append(self._dead, batch, lambda trimmed: trimmed.dead)
        self._step("lake dead letters")
        self._report()
        self._step("lake marks")
        self.lake_commits += 1

    def _append(self, table: MarkedTable, batch: Batch, rows: Callable[[Batch], pl.DataFrame]) -> None:
        trimmed = batch.trimmed(table.next_offsets)
        table.append(
            trimmed,
            rows(trimmed).with_columns(
                topic_id=pl.lit(self._topic.id),
                topic=pl.lit(self._topic.name),
                ingest_day=pl.col("ingested_at").dt.date(),
            ),
        )

    def _report(self) -> None:
        marks = {p: min(offset, self._dead.next_offsets[p]) for p, offset in self._raw.next_offsets.items()}
        with connect(self._settings.database_url) as connection:
            ledger.report_lake_marks(connection, self._topic.id, marks)


def _settle(work: Future[None] | None) -> None:
    """Wait for what a thread does, and raise what it raised."""
    if work is not None:
        work.result()
