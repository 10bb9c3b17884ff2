"""Accepting that Kafka lost offsets: every table's next offset moves over the lost range, and the loss is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sensorhouse.errors import Conflict, NotFound
from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.feeds import DEAD_LETTERS, DEAD_LETTERS_SCHEMA, Feed
from sensors_io.lake import Lake, MarkedTable
from warehouse import ledger, locks
from warehouse.batches import DEAD_LETTER, MESSAGES, Batch, Range
from warehouse.database import Connection, connect
from warehouse.ledger import LakeCommit
from warehouse.locks import Lock
from warehouse.lost import LEDGER, accept

Step = Callable[[str], None]
"""Called with the name of what was just done: tests end it there."""


def accept_gap(
    settings: Settings,
    feed: Feed,
    lake: Lake,
    partition: int,
    *,
    accepted_by: str,
    step: Step = lambda _: None,
) -> dict[str, Range]:
    """Move each table's next offset of a partition to where the log begins; returns what each table lost.

    Postgres moves first, with the record of all that is lost, then the lake's tables one by one; done again after a
    crash, it goes on with those that are still behind. Empty when nothing was lost. Raises `Conflict` while a drain
    is at work, or when the log ends before what was read, and `NotFound` for a partition that is not there.
    """
    topic = kafka.describe(kafka.admin(settings), feed.topic)
    if partition not in topic.partitions:
        raise NotFound(f"{topic.name} has no partition {partition}")
    with connect(settings.database_url, autocommit=True) as connection:
        _hold(connection, topic, partition)
        log = kafka.log_ranges(kafka.admin(settings), topic)[partition]
        tables = _tables(lake, feed, topic)
        offsets = {LEDGER: ledger.next_offsets(connection, topic.id).get(partition, log.low)} | {
            table.name: table.attach({partition: log.low})[partition] for table in tables
        }
        lost = _lost(topic, partition, offsets, log)
        if lost:
            reason = f"the log began at {log.low}"
            with connection.transaction():
                accept(connection, topic.id, partition, lost, reason=reason, accepted_by=accepted_by)
            step(LEDGER)
        commits = []
        for table in tables:
            if table.name in lost:
                commits.append(_move(table, feed, topic, partition, lost[table.name]))
                step(table.name)
        reached = min(table.next_offsets[partition] for table in tables)
        ledger.report_lake(connection, topic.id, {partition: reached}, [commit for commit in commits if commit])
    return lost


def _hold(connection: Connection, topic: kafka.Topic, partition: int) -> None:
    if not locks.take(connection, Lock.DRAIN, locks.of_partition(topic.id, partition)):
        raise Conflict(f"a drain of {topic.name}[{partition}] is at work: wait until it has ended, then accept again")


def _tables(lake: Lake, feed: Feed, topic: kafka.Topic) -> list[MarkedTable]:
    return [
        MarkedTable(lake, name, schema, partition_by=["ingest_day"], topic=topic.name, topic_id=topic.id)
        for name, schema in ((feed.lake_table, feed.lake_schema), (DEAD_LETTERS, DEAD_LETTERS_SCHEMA))
    ]


def _lost(topic: kafka.Topic, partition: int, offsets: Mapping[str, int], log: kafka.LogRange) -> dict[str, Range]:
    read_to = max(offsets.values())
    if read_to > log.high_watermark:
        raise Conflict(
            f"{topic.name}[{partition}] ends at {log.high_watermark} and was read to {read_to}: its end is lost,"
            " and new messages would take the offsets of old ones. Make the topic anew; what was read stays"
        )
    return {table: Range(offset, log.low) for table, offset in offsets.items() if offset < log.low}


def _move(table: MarkedTable, feed: Feed, topic: kafka.Topic, partition: int, over: Range) -> LakeCommit | None:
    """Move one lake table's mark by a commit without rows."""
    schema = feed.lake_schema if table.name == feed.lake_table else DEAD_LETTERS_SCHEMA
    rows = schema.to_frame()
    nothing = Batch(topic.name, topic.id, {partition: over}, MESSAGES.to_frame(), rows, DEAD_LETTER.to_frame())
    return table.append(nothing, rows)
