"""What there is to tell of a drained topic: its lag, what its log lost, and the topics that had its name before."""

from __future__ import annotations

from dataclasses import dataclass

from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.lag import PartitionLag, TopicLag, look
from warehouse.database import connect
from warehouse.earlier_topics import EarlierTopic, earlier_topics
from warehouse.lost import Lost, lost


@dataclass(frozen=True)
class TopicState:
    """Of one topic, as of now."""

    lag: TopicLag
    topic_id: str
    accepted: list[Lost]
    earlier: list[EarlierTopic]

    @property
    def stopped(self) -> dict[int, PartitionLag]:
        """Partitions that wait for a person, because the log no longer holds what comes next."""
        return {partition: at for partition, at in self.lag.partitions.items() if at.is_truncated}


def topic_state(settings: Settings, topic: str) -> TopicState:
    """Look at a topic; raises `DependencyDown` when Kafka or Postgres does not answer."""
    lag = look(settings, topic)
    topic_id = kafka.describe(kafka.admin(settings), topic).id
    with connect(settings.database_url) as connection:
        return TopicState(lag, topic_id, lost(connection, topic_id), earlier_topics(connection, topic, topic_id))


def lost_range(partition: PartitionLag) -> str:
    """What became of a stopped partition's next offset, for people."""
    if partition.next_offset < partition.low:
        return (
            f"offsets {partition.next_offset:,} to {partition.low:,} are gone: "
            f"next is {partition.next_offset:,}, and the log begins at {partition.low:,}"
        )
    return (
        f"the log was cut: next is offset {partition.next_offset:,}, and the log ends at {partition.high_watermark:,}"
    )
