"""Next offsets mirrored as a consumer group's, for Kafka's ordinary lag tools; nothing reads them back."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

GROUP = "sensorhouse-drain"
"""One group for all drains; it has no members, so each of them may write its own partitions' offsets."""

log = structlog.get_logger()


def mirror(client: AdminClient, topic: str, next_offsets: Mapping[int, int], *, within_s: float = 2.0) -> bool:
    """Tell Kafka what every table has got; False, and a line in the log, when it did not take it.

    Keep the client open between calls: its first request takes ten times as long.
    """
    offsets = [TopicPartition(topic, partition, offset) for partition, offset in next_offsets.items()]
    if not offsets:
        return True
    try:
        asked = client.alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(GROUP, offsets)], request_timeout=within_s
        )
        answer = asked[GROUP].result(timeout=within_s + 1)
    except (KafkaException, TimeoutError) as error:
        log.warning("offsets_not_mirrored", topic=topic, reason=str(error))
        return False
    refused = {at.partition: str(at.error) for at in answer.topic_partitions or [] if at.error}
    if refused:
        log.warning("offsets_not_mirrored", topic=topic, reason=refused)
    return not refused
