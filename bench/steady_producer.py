"""Sends readings at a steady pace, by the clock, as a gateway would: Arrow messages of 500 readings."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from bench.data import SENSORS, Factory
from bench.topics import PER_MESSAGE, Encoding, messages, produce
from sensorhouse.settings import Settings
from sensors_io import kafka


def main() -> None:
    """Send `argv[1]` readings a second for `argv[2]` seconds."""
    send(Settings(_env_file=None), per_s=int(sys.argv[1]), seconds=float(sys.argv[2]))


def send(settings: Settings, *, per_s: int, seconds: float) -> None:
    """Each message leaves when its time has come; one that is late is followed by the next at once."""
    rounds = -(-int(per_s * seconds) // SENSORS)
    # Made before the clock starts: only sending is timed, and the consumer's processors are left alone.
    readings = Factory(start=datetime.now(UTC)).rounds(rounds)
    waiting = list(messages(readings, Encoding.ARROW, settings.topic_partitions))
    producer = kafka.producer(settings)
    began = time.monotonic()
    for at, (partition, key, value) in enumerate(waiting):
        time.sleep(max(0.0, began + at * PER_MESSAGE / per_s - time.monotonic()))
        produce(producer, settings.readings_topic, Encoding.ARROW, partition, key, value)
    assert producer.flush(30) == 0, "Kafka took not all messages"


if __name__ == "__main__":
    main()
