"""Readings and messages for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import psycopg

from assets.watching import watch_readings
from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.feeds import Feed, orders_feed, readings_feed
from sensors_io.lake import open_lake
from warehouse.database import connect

SENSOR_TYPES = ("temperature", "pressure", "humidity", "vibration", "occupancy", "speed")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def reading(sensor: str = "probe-1", *, at: datetime = NOON, value: object = 20.5, **more: object) -> dict[str, Any]:
    """One reading as a client sends it."""
    return {
        "sensor_id": sensor,
        "sensor_type": "temperature",
        "metric": "temperature",
        "event_time": at.isoformat(),
        "value": value,
        "unit": "C",
        **more,
    }


def as_json(what: object) -> bytes:
    """It as a message."""
    return json.dumps(what).encode()


def many(count: int, *, sensors: int = 8, start: datetime = NOON) -> list[dict[str, Any]]:
    """Readings of several sensors, a second apart, all different."""
    return [
        reading(f"probe-{i % sensors}", at=start + timedelta(seconds=i // sensors), value=float(i))
        for i in range(count)
    ]


def publish(
    settings: Settings, topic: str, messages: Iterable[tuple[bytes, int]], content_type: str | None = None
) -> None:
    """Put (value, partition) pairs on a topic, acknowledged."""
    producer = kafka.producer(settings)
    headers: list[tuple[str, str | bytes | None]] = [("content-type", content_type)] if content_type else []
    for value, partition in messages:
        producer.produce(topic, value, partition=partition, headers=headers)
    assert producer.flush(30) == 0


def publish_readings(settings: Settings, readings: Sequence[dict[str, Any]], *, per_message: int = 10) -> None:
    """Put readings on the topic as JSON arrays, each sensor in one partition."""
    by_partition: dict[int, list[dict[str, Any]]] = {}
    for one in readings:
        by_partition.setdefault(hash_of(one["sensor_id"]) % settings.topic_partitions, []).append(one)
    publish(
        settings,
        settings.readings_topic,
        (
            (json.dumps(group[at : at + per_message]).encode(), partition)
            for partition, group in by_partition.items()
            for at in range(0, len(group), per_message)
        ),
    )


def hash_of(sensor_id: str) -> int:
    """The same number for the same text in every process."""
    return sum(sensor_id.encode())


def readings_of(settings: Settings) -> Feed:
    """The readings feed with the catalogue's sensor types, watched as in a run."""
    return readings_feed(settings, sensor_types=SENSOR_TYPES, watcher=watch_readings)


def feeds(settings: Settings) -> dict[str, Feed]:
    """Both feeds by name."""
    return {"orders": orders_feed(settings), "readings": readings_of(settings)}


def lake_rows(settings: Settings, table: str) -> pl.DataFrame:
    """All rows of a lake table."""
    return open_lake(settings).scan(table).collect()


def warehouse_rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """What a query finds."""
    with connect(settings.database_url) as connection:
        return connection.cursor(row_factory=psycopg.rows.tuple_row).execute(query).fetchall()  # type: ignore[arg-type]
