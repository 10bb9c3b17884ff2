"""One upload as the messages that carry it: columnar, split by sensor, none too large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from sensorhouse.errors import TooLarge
from sensors_io.arrow_codec import encode
from sensors_io.reading import READING

LARGEST_MESSAGE = 512 << 10
# About what fits: 21 bytes a reading, and a few that carry attributes.
_FIRST_TRY_ROWS = 16_384


@dataclass(frozen=True)
class UploadMessage:
    """Readings of sensors that share a partition, as one Arrow stream; `key` is the first of them."""

    partition: int
    key: bytes
    value: bytes
    count: int


def split(readings: pl.DataFrame, partition_count: int) -> list[UploadMessage]:
    """Encode readings, which keep their order within a sensor, for the partitions that their sensors live in."""
    return [
        message
        for partition, part in _by_partition(readings.select(READING.names()), partition_count)
        for rows in part.iter_slices(_FIRST_TRY_ROWS)
        for message in _messages(partition, rows)
    ]


def _by_partition(readings: pl.DataFrame, partition_count: int) -> list[tuple[int, pl.DataFrame]]:
    """The readings by where they go; one step of Python per sensor, none per reading."""
    sensors = readings["sensor_id"].unique().to_list()
    homes = [partition_of(sensor, partition_count) for sensor in sensors]
    if len(set(homes)) == 1:
        return [(homes[0], readings)]
    home = pl.col("sensor_id").replace_strict(sensors, homes, return_dtype=pl.Int32).alias("partition")
    parts = readings.with_columns(home).partition_by("partition", maintain_order=True, include_key=False, as_dict=True)
    return [(int(partition), part) for (partition,), part in parts.items()]


def _messages(partition: int, rows: pl.DataFrame) -> Iterator[UploadMessage]:
    """The rows as one message, or as the halves of them that fit."""
    value = encode(rows)
    if len(value) <= LARGEST_MESSAGE:
        yield UploadMessage(partition, rows["sensor_id"][0].encode(), value, rows.height)
    elif rows.height == 1:
        raise TooLarge(f"one reading of {rows['sensor_id'][0]} takes {len(value)} bytes, more than a message may")
    else:
        half = rows.height // 2
        yield from _messages(partition, rows[:half])
        yield from _messages(partition, rows[half:])


@lru_cache(maxsize=100_000)
def partition_of(sensor_id: str, partition_count: int) -> int:
    """Where readings keyed by this sensor go: Kafka's own rule (Java's default, librdkafka's `murmur2_random`).

    Other producers must use the same, or one sensor would live in two partitions.
    """
    return (_murmur2(sensor_id.encode()) & 0x7FFFFFFF) % partition_count


def _murmur2(data: bytes) -> int:
    """MurmurHash2 in 32 bits with Kafka's seed."""
    multiplier = 0x5BD1E995
    value = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * multiplier & 0xFFFFFFFF
        word = (word ^ word >> 24) * multiplier & 0xFFFFFFFF
        value = value * multiplier & 0xFFFFFFFF ^ word
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * multiplier & 0xFFFFFFFF
    value = (value ^ value >> 13) * multiplier & 0xFFFFFFFF
    return value ^ value >> 15
