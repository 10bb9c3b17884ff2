"""The drain: a topic's new slices into the lake and the warehouse, each at its own pace, exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

from sensorhouse.errors import DependencyDown, LogTruncated, TopicRecreated
from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.balance import balance
from sensors_io.drained import Drained, Work
from sensors_io.feeds import Feed
from sensors_io.lake import Lake
from sensors_io.memory import lean
from sensors_io.read_ahead import ReadAhead
from sensors_io.sinks import Sinks
from sensors_io.slices import SliceReader
from warehouse import locks
from warehouse.batches import Batch, merged
from warehouse.database import Connection, connect
from warehouse.locks import Lock
from warehouse.steps import AtStep, Step, no_step

# A drain may live for an hour; those who look at its asset want to see that it moves.
REPORT_EVERY_S = 60.0
# A run begins with small slices, each larger than the one before, so that the sinks soon have something to do.
_FIRST_ROWS = 50_000
# How old, of a slice's age, a part of it may be.
_PART_OF_SLICE = 0.2
# A drain that shall not linger still gives the broker so long to answer, and for what is known to be there this long.
_SHORTEST_LOOK_S = 0.2
_BACKLOG_WITHIN_S = 30.0


@dataclass(frozen=True)
class Share:
    """The partitions that one of several drains of a topic may take: those that leave `index` when divided by `of`."""

    index: int = 0
    of: int = 1

    def has(self, partition: int) -> bool:
        """Whether the partition is in this share."""
        return partition % self.of == self.index

    def __str__(self) -> str:
        return f"{self.index} of {self.of}"


def drain(
    settings: Settings,
    feed: Feed,
    lake: Lake,
    *,
    run_id: str,
    share: Share = Share(),
    stopped: Callable[[], bool] = lambda: False,
    report: Callable[[Work], None] = lambda _: None,
    step: AtStep = no_step,
) -> Drained:
    """Drain the share's free partitions until caught up for `linger_s`, `max_run_s` has passed or `stopped` says so.

    `report` hears once a minute what was done since it heard last. A partition is drained by one at a time: those that
    another drain is at work on are left out, and when that is all of them `refused` is set and nothing done. Raises
    `Fenced` when its place was taken all the same, and `OffsetGap`, `MarkMissing` or `DependencyDown` as they come.
    """
    client = kafka.admin(settings)
    topic = kafka.describe(client, feed.topic)
    step(Step.TOPIC_DESCRIBED)
    with connect(settings.database_url, autocommit=True) as connection, lean():
        mine = _take(connection, topic, share)
        step(Step.PARTITIONS_LOCKED)
        drained = Drained(partitions=mine)
        if not mine:
            drained.refused = "other drains of this topic are at work on all of its partitions"
            return drained
        ranges = {p: held for p, held in kafka.log_ranges(client, topic).items() if p in mine}
        with closing(Sinks(settings, feed, lake, topic, run_id, drained, step)) as sinks:
            next_offsets = sinks.attach({partition: held.low for partition, held in ranges.items()})
            drained.truncated = _truncated(topic, next_offsets, ranges)
            lost = {error.partition for error in drained.truncated}
            readable = {p: offset for p, offset in next_offsets.items() if p not in lost}
            backlog = {partition: held.high_watermark for partition, held in ranges.items()}
            with closing(SliceReader(kafka.consumer(settings), client, topic, readable, backlog=backlog)) as reader:
                try:
                    _run(settings, feed, reader, sinks, drained, stopped, report, step)
                except (TopicRecreated, DependencyDown):
                    # What was read and confirmed before is good, and may wait to be written.
                    sinks.finish()
                    raise
                if reader.lost:
                    reader.confirm()
                    drained.truncated += _truncated(topic, reader.lost, kafka.log_ranges(client, topic))
            drained.balance = balance(settings, feed, lake)
            step(Step.BALANCE_TAKEN)
            return drained


def _take(connection: Connection, topic: kafka.Topic, share: Share) -> tuple[int, ...]:
    """Lock the share's partitions that nobody else drains."""
    return tuple(
        partition
        for partition in topic.partitions
        if share.has(partition) and locks.take(connection, Lock.DRAIN, locks.of_partition(topic.id, partition))
    )


def _truncated(
    topic: kafka.Topic, next_offsets: Mapping[int, int], ranges: Mapping[int, kafka.LogRange]
) -> list[LogTruncated]:
    return [
        LogTruncated(topic.name, p, next_offset=offset, low=ranges[p].low, high=ranges[p].high_watermark)
        for p, offset in next_offsets.items()
        if not ranges[p].low <= offset <= ranges[p].high_watermark
    ]


def _run(
    settings: Settings,
    feed: Feed,
    reader: SliceReader,
    sinks: Sinks,
    drained: Drained,
    stopped: Callable[[], bool],
    report: Callable[[Work], None],
    step: AtStep,
) -> None:
    began = busy = since = time.monotonic()
    most_rows = min(_FIRST_ROWS, settings.slice_rows)
    reading = ReadAhead(
        reader,
        feed.decode,
        max_messages=settings.slice_rows,
        max_bytes=settings.slice_bytes,
        max_age_s=settings.slice_s * _PART_OF_SLICE,
    )
    with closing(reading) as ahead:
        while not stopped() and time.monotonic() - began < settings.max_run_s:
            linger_s = _BACKLOG_WITHIN_S if reader.is_behind else settings.linger_s
            left_s = max(busy + linger_s - time.monotonic(), _SHORTEST_LOOK_S)
            batch = _next_batch(ahead, reader, feed, settings, most_rows, min(settings.slice_s, left_s), step)
            if batch:
                busy = time.monotonic()
                most_rows = min(2 * most_rows, settings.slice_rows)
                sinks.write(batch)
                drained.work.count(batch)
            elif time.monotonic() - busy >= linger_s:
                break
            sinks.flush_if_due()
            if drained.work.slices and time.monotonic() - since >= REPORT_EVERY_S:
                drained.work.seconds = time.monotonic() - since
                report(drained.begin_again())
                since = time.monotonic()
    sinks.finish()
    drained.work.seconds = time.monotonic() - since


def _next_batch(
    ahead: ReadAhead,
    reader: SliceReader,
    feed: Feed,
    settings: Settings,
    most_rows: int,
    patience_s: float,
    step: AtStep,
) -> Batch | None:
    """The next slice, which comes part by part; None when nothing came within `patience_s`."""
    part = ahead.get(patience_s)
    if part is None:
        return None
    deadline = time.monotonic() + settings.slice_s * (1 - _PART_OF_SLICE)
    parts: list[Batch] = []
    rows = size = 0
    while part:
        step(Step.SLICE_READ)
        parts.append(part.batch)
        rows += part.batch.rows.height + part.batch.dead.height
        size += part.size_bytes
        left_s = deadline - time.monotonic()
        if part.ends_backlog or rows >= most_rows or size >= settings.slice_bytes or left_s <= 0:
            break
        part = ahead.get(left_s)
    batch = feed.finish(merged(parts))
    step(Step.SLICE_DECODED)
    reader.confirm()
    step(Step.TOPIC_CONFIRMED)
    return batch
