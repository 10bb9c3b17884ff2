"""Reads the readings topic from start to end as a drain does, and does nothing with it; prints how long that took."""

from __future__ import annotations

import json
import sys
import time

from confluent_kafka import TopicPartition

from sensorhouse.settings import Settings
from sensors_io import kafka


def main() -> None:
    """Consume every message that is there now."""
    settings = Settings(_env_file=None)
    client = kafka.admin(settings)
    ranges = kafka.log_ranges(client, kafka.describe(client, settings.readings_topic))
    wanted = sum(held.high_watermark - held.low for held in ranges.values())
    consumer = kafka.consumer(settings)
    began, cpu_s, found = time.monotonic(), time.process_time(), 0
    consumer.assign([TopicPartition(settings.readings_topic, p, held.low) for p, held in ranges.items()])
    while found < wanted:
        # The ends of partitions are also told as messages, with an error.
        read = consumer.consume(min(5_000, wanted - found), timeout=0.1)
        found += sum(message.error() is None for message in read)
    seconds, cpu_s = time.monotonic() - began, time.process_time() - cpu_s
    consumer.close()
    json.dump({"messages": found, "seconds": seconds, "cpu_s": cpu_s}, sys.stdout)


if __name__ == "__main__":
    main()
