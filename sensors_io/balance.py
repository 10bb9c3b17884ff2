"""The balance: what Kafka, the ledger, the lake and the warehouse hold of a topic, and whether it agrees."""

from __future__ import annotations

from dataclasses import dataclass

from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.audit import Audit, audit
from sensors_io.feeds import DEAD_LETTERS, Feed
from sensors_io.lake import Lake, mark, rows_of_topic
from warehouse import balance as warehouse
from warehouse.database import connect


@dataclass(frozen=True)
class Balance:
    """Of one topic, in rows where nothing else is said: what the ledger counted, and what the tables themselves hold.

    All rows are in the lake; all but the `cold` and the `retired` are in the warehouse too. `expected_in_lake` are the
    rows and dead letters up to the lake's marks; null while it is in the middle of a slice that the warehouse has.
    `audited` is null unless every row was looked at.
    """

    topic: str
    topic_id: str
    lag: int
    messages: int
    rows: int
    dead_letters: int
    cold: int
    retired: int
    gaps: int
    lake_rows: int
    lake_dead_letters: int
    expected_in_lake: tuple[int | None, int | None]
    warehouse_rows: int
    warehouse_dead_letters: int
    audited: Audit | None = None

    @property
    def decoded(self) -> int:
        """Rows and dead letters, as the ledger counted them."""
        return self.rows + self.dead_letters

    @property
    def differences(self) -> dict[str, int]:
        """What does not agree, by name; empty when everything does. Rows, but for gaps (slices) and lag (offsets)."""
        found = {
            "messages not drained": self.lag,
            "gaps between slices": self.gaps,
            "decoded but not in the lake": _missing(self.expected_in_lake[0], self.lake_rows),
            "dead letters not in the lake": _missing(self.expected_in_lake[1], self.lake_dead_letters),
            "decoded but not in the warehouse": self.rows - self.cold - self.retired - self.warehouse_rows,
            "dead letters not in the warehouse": self.dead_letters - self.warehouse_dead_letters,
            "slices of which a table holds something else": len(self.audited.apart) if self.audited else 0,
        }
        return {name: count for name, count in found.items() if count}


def balance(settings: Settings, feed: Feed, lake: Lake, *, full: bool = False) -> Balance:
    """Count a topic everywhere, also while it is drained; `full` looks at every row again (see `sensors_io.audit`).

    Raises `DependencyDown` when a server does not answer.
    """
    client = kafka.admin(settings)
    topic = kafka.describe(client, feed.topic)
    ends = {partition: held.high_watermark for partition, held in kafka.log_ranges(client, topic).items()}
    # The lake before the ledger, which is then behind it only while a slice is on its way.
    raw, dead = look_at(lake, feed.lake_table, topic), look_at(lake, DEAD_LETTERS, topic)
    with connect(settings.database_url) as connection:
        counted = warehouse.counts(connection, topic.id, feed.warehouse_table)
        reached = warehouse.up_to(connection, topic.id, raw.marks)
        dead_reached = warehouse.up_to(connection, topic.id, dead.marks)
    loaded = [counted.next_offsets, raw.marks, dead.marks]
    return Balance(
        topic=feed.topic,
        topic_id=topic.id,
        lag=sum(max(0, end - min(marks.get(partition, 0) for marks in loaded)) for partition, end in ends.items()),
        messages=counted.messages,
        rows=counted.rows,
        dead_letters=counted.dead_letters,
        cold=counted.cold,
        retired=counted.retired,
        gaps=counted.gaps,
        lake_rows=raw.rows,
        lake_dead_letters=dead.rows,
        expected_in_lake=(reached.rows if reached else None, dead_reached.dead_letters if dead_reached else None),
        warehouse_rows=counted.stored,
        warehouse_dead_letters=counted.stored_dead_letters,
        audited=audit(settings, feed, lake, topic) if full else None,
    )


def _missing(expected: int | None, found: int) -> int:
    return 0 if expected is None else expected - found


@dataclass(frozen=True)
class LakeTable:
    """A lake table at one version: its marks of a topic's partitions, and its rows of that topic."""

    marks: dict[int, int]
    rows: int


def look_at(lake: Lake, name: str, topic: kafka.Topic) -> LakeTable:
    """What a lake table has got of a topic; nothing when there is no such table."""
    if not lake.has(name):
        return LakeTable({}, 0)
    handle = lake.table(name)
    marks = {partition: mark(handle, topic.id, partition) for partition in topic.partitions}
    return LakeTable({p: at for p, at in marks.items() if at is not None}, rows_of_topic(handle, topic.id))
