"""The drain: a topic's new slices into the lake and the warehouse, each at its own pace, exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sensorhouse.errors import LogTruncated
from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.balance import Balance, balance
from sensors_io.feeds import Feed
from sensors_io.lake import Lake
from sensors_io.sinks import Sinks, Step
from sensors_io.slices import Slice, SliceReader
from warehouse import locks
from warehouse.batches import Batch
from warehouse.database import connect
from warehouse.locks import Lock

# A drain may live for an hour; those who look at its asset want to see that it moves.
REPORT_EVERY_S = 60.0
# A guess for the first slice; each later one goes by what the last slice held.
_ROWS_PER_BYTE = 1 / 20


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
    report: Callable[[Drained], None] = lambda _: None,
    step: Step = lambda _: None,
) -> Drained:
    """Drain the feed's topic until it has been caught up for `linger_s`, `max_run_s` has passed or `stopped` says so.

    `report` hears once a minute what was done since it heard last. At most one drain of a topic is at work; another
    finds `refused` set and nothing done. Raises `Fenced` when its place was taken all the same, and `OffsetGap`,
    `MarkMissing` or `DependencyDown` as they come.
    """
    client = kafka.admin(settings)
    topic = kafka.describe(client, feed.topic)
    with connect(settings.database_url, autocommit=True) as connection:
        if not locks.take(connection, Lock.DRAIN, topic.id):
            return Drained(refused="another drain of this topic is at work")
        ranges = kafka.log_ranges(client, topic)
        starts = {partition: held.low for partition, held in ranges.items()}
        sinks = Sinks(settings, feed, lake, topic, run_id, step)
        try:
            next_offsets = sinks.attach(starts)
            truncated = [
                LogTruncated(topic.name, p, next_offset=offset, low=ranges[p].low, high=ranges[p].high_watermark)
                for p, offset in next_offsets.items()
                if not ranges[p].low <= offset <= ranges[p].high_watermark
            ]
            lost = {error.partition for error in truncated}
            readable = {p: offset for p, offset in next_offsets.items() if p not in lost}
            drained = _run(settings, feed, topic, readable, sinks, stopped, report)
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
    sinks: Sinks,
    stopped: Callable[[], bool],
    report: Callable[[Drained], None],
) -> Drained:
    drained = Drained()
    began = busy = since = time.monotonic()
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
            if drained.slices and time.monotonic() - since >= REPORT_EVERY_S:
                report(replace(drained, lake_commits=sinks.lake_commits, seconds=time.monotonic() - since))
                drained, since, sinks.lake_commits = Drained(), time.monotonic(), 0
        sinks.finish()
    finally:
        reader.close()
    drained.lake_commits = sinks.lake_commits
    drained.seconds = time.monotonic() - since
    if reader.lost:
        held = kafka.log_ranges(kafka.admin(settings), topic)
        drained.truncated += [
            LogTruncated(topic.name, p, next_offset=offset, low=held[p].low, high=held[p].high_watermark)
            for p, offset in reader.lost.items()
        ]
    return drained


def _rate(read: Slice, batch: Batch, before: float) -> float:
    size = read.size_bytes
    return max(batch.rows.height / size, 1e-6) if size else before
