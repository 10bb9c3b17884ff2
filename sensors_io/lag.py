"""How far the tables are behind a topic, for those who only look."""

from __future__ import annotations

from dataclasses import dataclass

from sensorhouse.settings import Settings
from sensors_io import kafka
from warehouse import ledger, locks
from warehouse.database import connect
from warehouse.earlier_topics import note_ends
from warehouse.locks import Lock


@dataclass(frozen=True)
class PartitionLag:
    """Of one partition: what the log holds, the first offset that some table has not got, and whether it is drained."""

    low: int
    high_watermark: int
    next_offset: int
    is_draining: bool = False

    @property
    def is_truncated(self) -> bool:
        """Whether the log no longer holds the next offset; a person decides what becomes of that."""
        return not self.low <= self.next_offset <= self.high_watermark

    @property
    def messages(self) -> int:
        """Offsets between the tables and the end of the log; a lost range is no lag."""
        return 0 if self.is_truncated else self.high_watermark - self.next_offset


@dataclass(frozen=True)
class TopicLag:
    """Of one topic, each partition; `topic_id` is the ledger's."""

    topic: str
    topic_id: str
    partitions: dict[int, PartitionLag]

    @property
    def is_draining(self) -> bool:
        """Whether any drain is at work."""
        return any(partition.is_draining for partition in self.partitions.values())

    @property
    def messages(self) -> int:
        """The partitions' sum."""
        return sum(partition.messages for partition in self.partitions.values())


def look(settings: Settings, topic_name: str) -> TopicLag:
    """Compare the topic's ends with the ledger and the lake's reported marks, and note the ends.

    Raises `DependencyDown` when Kafka or Postgres does not answer.
    """
    client = kafka.shared_admin(settings)
    topic = kafka.describe(client, topic_name)
    held = kafka.log_ranges(client, topic)
    with connect(settings.database_url) as connection:
        note_ends(connection, topic.id, {partition: log.high_watermark for partition, log in held.items()})
        loaded = ledger.next_offsets(connection, topic.id)
        marks = ledger.lake_marks(connection, topic.id)
        names = {locks.of_partition(topic.id, partition): partition for partition in topic.partitions}
        drained = {names[name] for name in locks.held(connection, Lock.DRAIN, list(names))}
    partitions = {}
    for partition, log in held.items():
        reached = min(loaded.get(partition, log.low), marks.get(partition, log.low))
        partitions[partition] = PartitionLag(log.low, log.high_watermark, reached, partition in drained)
    return TopicLag(topic_name, topic.id, partitions)
