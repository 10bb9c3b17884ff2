"""Where topics end, for those who ask again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient

from sensorhouse.settings import Settings
from sensors_io import kafka


@dataclass(frozen=True)
class TopicEnd:
    """What the broker holds now of a topic, by partition."""

    topic_id: str
    held: Mapping[int, kafka.LogRange]

    def behind(self, next_offsets: Mapping[int, int]) -> int:
        """How many offsets lie between a reader's next and the ends; a partition it never read counts whole."""
        return sum(
            max(0, log.high_watermark - max(log.low, next_offsets.get(partition, log.low)))
            for partition, log in self.held.items()
        )


class Ends:
    """Asks about the same topics with one client, made when first asked: it retries from the moment it is there."""

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        self._settings, self._topics = settings, topics
        self._client: AdminClient | None = None

    def look(self) -> dict[str, TopicEnd]:
        """Each topic's ends, by its name; raises `DependencyDown` when Kafka does not tell."""
        self._client = self._client or kafka.admin(self._settings)
        topics = [kafka.describe(self._client, name) for name in self._topics]
        return {topic.name: TopicEnd(topic.id, kafka.log_ranges(self._client, topic)) for topic in topics}
