"""A drain's two sinks, each written by a thread of its own while the next slice is read."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl

from sensorhouse.settings import Settings
from sensors_io.drained import Drained
from sensors_io.feeds import DEAD_LETTERS, DEAD_LETTERS_SCHEMA, Feed
from sensors_io.group_offsets import GroupOffsets
from sensors_io.kafka import Topic
from sensors_io.lake import Lake, MarkedTable
from warehouse import ledger
from warehouse.batches import Batch, merged
from warehouse.database import connect
from warehouse.ledger import LakeCommit
from warehouse.load import Loader, Prepared
from warehouse.steps import AtStep, Step


class Sinks:
    """The warehouse, written slice by slice, and the lake, written when a commit is worth it."""

    def __init__(
        self, settings: Settings, feed: Feed, lake: Lake, topic: Topic, run_id: str, drained: Drained, step: AtStep
    ) -> None:
        self._settings, self._topic, self._drained, self._step = settings, topic, drained, step
        self._feed, self._group = feed, GroupOffsets(settings)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="sink")
        raw, dead = (
            self._threads.submit(
                MarkedTable, lake, name, schema, partition_by=["ingest_day"], topic=topic.name, topic_id=topic.id
            )
            for name, schema in ((feed.lake_table, feed.lake_schema), (DEAD_LETTERS, DEAD_LETTERS_SCHEMA))
        )
        self._loader = Loader(
            settings.database_url, topic=topic.name, topic_id=topic.id, store=feed.store, run_id=run_id, step=step
        )
        self._raw, self._dead = raw.result(), dead.result()
        self._loading: Future[None] | None = None
        self._flushing: Future[None] | None = None
        self._pending: list[Batch] = []
        self._pending_since = 0.0

    def attach(self, starts: dict[int, int]) -> dict[int, int]:
        """The lowest offset, per partition, that any of the tables has not got."""
        loaded = self._loader.attach(starts, self._feed.warehouse_table)
        self._step(Step.LEDGER_READ)
        raw = self._raw.attach(starts)
        self._step(Step.RAW_MARKS_READ)
        dead = self._dead.attach(starts)
        self._step(Step.DEAD_MARKS_READ)
        self._report([])
        self._step(Step.MARKS_REPORTED)
        return {partition: min(table[partition] for table in (loaded, raw, dead)) for partition in starts}

    def write(self, batch: Batch) -> None:
        """Hand a batch to both sinks; waits while the warehouse still writes the one before."""
        prepared = self._loader.prepare(batch)
        _settle(self._loading)
        self._loading = self._threads.submit(self._load, prepared)
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
        # The lake may have got the last batch before the warehouse did.
        self._mirror()
        self._step(Step.SINKS_FINISHED)

    def close(self) -> None:
        """Let the threads end and leave the servers."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._group.close()
        self._loader.close()

    def _flush(self) -> None:
        _settle(self._flushing)
        pending, self._pending = self._pending, []
        self._flushing = self._threads.submit(self._commit, pending)

    def _load(self, prepared: Prepared) -> None:
        began = time.monotonic()
        self._loader.load(prepared)
        self._drained.work.note_loaded(prepared.batch)
        self._drained.work.load_s += time.monotonic() - began

    def _commit(self, pending: list[Batch]) -> None:
        began = time.monotonic()
        batch = merged(pending)
        raw = self._append(self._raw, batch, lambda trimmed: trimmed.rows)
        self._step(Step.RAW_COMMITTED)
        dead = self._append(self._dead, batch, lambda trimmed: trimmed.dead)
        self._step(Step.DEAD_LETTERS_COMMITTED)
        self._report([commit for commit in (raw, dead) if commit])
        self._step(Step.LAKE_REPORTED)
        self._mirror()
        self._step(Step.OFFSETS_MIRRORED)
        self._drained.work.lake_commits += 1
        self._drained.work.lake_s += time.monotonic() - began

    def _append(self, table: MarkedTable, batch: Batch, rows: Callable[[Batch], pl.DataFrame]) -> LakeCommit | None:
        trimmed = batch.trimmed(table.next_offsets)
        return table.append(trimmed, rows(trimmed))

    def _report(self, commits: list[LakeCommit]) -> None:
        with connect(self._settings.database_url) as connection:
            ledger.report_lake(connection, self._topic.id, self._marks(), commits)

    def _mirror(self) -> None:
        loaded = self._loader.next_offsets
        self._group.mirror(self._topic.name, {p: min(offset, loaded[p]) for p, offset in self._marks().items()})

    def _marks(self) -> dict[int, int]:
        """Per partition, what both of the lake's tables have got."""
        return {p: min(offset, self._dead.next_offsets[p]) for p, offset in self._raw.next_offsets.items()}


def _settle(work: Future[None] | None) -> None:
    """Wait for what a thread does, and raise what it raised."""
    if work is not None:
        work.result()
