"""Next offsets mirrored as a consumer group's, for Kafka's ordinary lag tools; nothing reads them back."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from sensorhouse.settings import Settings
from sensors_io import kafka

GROUP = "sensorhouse-drain"
"""One group for all drains; it has no members, so each of them may write its own partitions' offsets."""
# What a drain that ends still waits for Kafka's answer.
_LAST_ANSWER_WITHIN_S = 2.0

log = structlog.get_logger()


class GroupOffsets:
    """Tells Kafka what every table has got, and waits for no answer: a drain never fails by it, nor is slowed down.

    It commits through a consumer: the admin client's own request aborts the process when a broker dies meanwhile.
    """

    def __init__(self, settings: Settings) -> None:
        self._unanswered = 0
        self._consumer = Consumer(
            kafka.connection(settings)
            | {
                "group.id": GROUP,
                "enable.auto.commit": False,
                "on_commit": self._answered,
            }
        )

    def mirror(self, topic: str, next_offsets: Mapping[int, int]) -> None:
        """Hand the offsets on."""
        offsets = [TopicPartition(topic, partition, offset) for partition, offset in next_offsets.items()]
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
            self._unanswered += 1
            self._consumer.poll(0)
        except KafkaException as error:
            log.warning("offsets_not_mirrored", topic=topic, reason=str(error))

    def close(self) -> None:
        """Wait a moment for what is unanswered, and leave the broker."""
        give_up_at = time.monotonic() + _LAST_ANSWER_WITHIN_S
        while self._unanswered and time.monotonic() < give_up_at:
            self._consumer.poll(0.05)
        # While the broker is away this would wait for it, most of a minute.
        leaving = threading.Thread(target=self._consumer.close, daemon=True)
        leaving.start()
        leaving.join(_LAST_ANSWER_WITHIN_S)

    def _answered(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        self._unanswered -= 1
        refused = {at.partition: str(at.error) for at in offsets if at.error}
        if error or refused:
            log.warning("offsets_not_mirrored", reason=str(error or refused))
