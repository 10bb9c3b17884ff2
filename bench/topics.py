"""Topics full of readings, in each encoding, one sensor in one partition."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import polars as pl
from confluent_kafka import Producer

from bench.data import COLUMNS, checksum
from sensorhouse.settings import Settings
from sensors_io import arrow_codec, kafka, reading
from sensors_io.uploads import partition_of

PER_MESSAGE = 500


class Encoding(StrEnum):
    """How a topic's messages carry readings: one JSON object each, or 500 readings each."""

    JSON = "json"
    NDJSON = "ndjson"
    ARROW = "arrow"


CONTENT_TYPES = {Encoding.JSON: reading.JSON, Encoding.NDJSON: reading.NDJSON, Encoding.ARROW: reading.ARROW}


@dataclass
class Sent:
    """What a topic was filled with."""

    readings: int = 0
    messages: int = 0
    bytes: int = 0
    checksum: int = 0


def fill(settings: Settings, encoding: Encoding, blocks: Iterable[pl.DataFrame], sent: Sent) -> None:
    """Put readings on the readings topic, acknowledged, and add them to `sent`."""
    producer = kafka.producer(settings)
    for block in blocks:
        for partition, key, value in messages(block, encoding, settings.topic_partitions):
            produce(producer, settings.readings_topic, encoding, partition, key, value)
            sent.messages += 1
            sent.bytes += len(value)
        sent.readings += block.height
        sent.checksum += checksum(block)
    assert producer.flush(60) == 0, "Kafka took not all messages"


def produce(producer: Producer, topic: str, encoding: Encoding, partition: int, key: bytes, value: bytes) -> None:
    """Hand a message to the client; waits while its queue is full."""
    headers: list[tuple[str, str | bytes | None]] = [("content-type", CONTENT_TYPES[encoding])]
    while True:
        try:
            producer.produce(topic, value, key, partition=partition, headers=headers)
            producer.poll(0)
            return
        except BufferError:
            producer.poll(0.1)


def messages(readings: pl.DataFrame, encoding: Encoding, partitions: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Readings as (partition, key, value), in their order within a partition."""
    sensors = readings["sensor_id"].unique().to_list()
    homes = [partition_of(sensor, partitions) for sensor in sensors]
    home = readings["sensor_id"].replace_strict(sensors, homes, return_dtype=pl.Int32)
    if encoding == Encoding.JSON:
        keys = readings["sensor_id"].to_list()
        for partition, key, line in zip(home.to_list(), keys, lines(readings), strict=True):
            yield partition, key.encode(), line
        return
    groups = {p: readings.filter(home == p) for p in range(partitions)}
    most = max(group.height for group in groups.values())
    # Turn by turn, as gateways send: no partition runs ahead of the others.
    for start in range(0, most, PER_MESSAGE):
        for partition, group in groups.items():
            rows = group.slice(start, PER_MESSAGE)
            if rows.height:
                value = arrow_codec.encode(rows) if encoding == Encoding.ARROW else b"\n".join(lines(rows))
                yield partition, rows.item(0, "sensor_id").encode(), value


def lines(readings: pl.DataFrame) -> list[bytes]:
    """Each reading as a JSON object."""
    text = io.BytesIO()
    time = pl.col("event_time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    readings.select(COLUMNS).with_columns(time).write_ndjson(text)
    return text.getvalue().splitlines()
