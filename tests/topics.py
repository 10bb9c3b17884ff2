"""What a topic holds, for tests that look."""

from __future__ import annotations

import time

from confluent_kafka import Message, TopicPartition

from sensorhouse.settings import Settings
from sensors_io import kafka


def messages(settings: Settings, topic: str) -> list[Message]:
    """Every message that the topic holds now, each partition's in order."""
    client = kafka.admin(settings)
    ranges = kafka.log_ranges(client, kafka.describe(client, topic))
    wanted = sum(held.high_watermark - held.low for held in ranges.values())
    consumer = kafka.consumer(settings)
    consumer.assign([TopicPartition(topic, partition, held.low) for partition, held in ranges.items()])
    found: list[Message] = []
    give_up_at = time.monotonic() + 20
    while len(found) < wanted:
        assert time.monotonic() < give_up_at, f"{topic}: {len(found)} of {wanted} messages"
        # The ends of partitions are also told as messages, with an error.
        found += [message for message in consumer.consume(wanted, timeout=0.2) if message.error() is None]
    consumer.close()
    return found
