"""Where an upload's readings or an order's events are by now: Kafka, warehouse, lake, staged readings, marts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import polars as pl

from sensorhouse.errors import NotFound
from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.lake import Lake
from sensors_io.receipts import Place, Receipt
from warehouse import whereabouts
from warehouse.database import Connection, connect
from warehouse.whereabouts import Loaded


@dataclass(frozen=True)
class Whereabouts:
    """Of one message. Null times and versions: not there yet.

    `rows` of its readings are in the lake's raw rows, the others of `readings` are dead letters. `is_staged` and
    `is_in_marts` are true when all of the rows are.
    """

    partition: int
    offset: int
    readings: int
    is_in_kafka: bool
    loaded_at: datetime | None
    run_id: str | None
    lake_version: int | None
    lake_committed_at: datetime | None
    rows: int
    is_staged: bool
    is_in_marts: bool


@dataclass(frozen=True)
class EventWhereabouts:
    """Of one event of an order: when it was published to Kafka, and where it was drained to."""

    version: int
    type: str
    published_at: datetime | None
    partition: int | None
    offset: int | None
    loaded_at: datetime | None
    lake_version: int | None
    is_in_marts: bool


def trace_upload(settings: Settings, lake: Lake, receipt: Receipt) -> list[Whereabouts]:
    """Each message of an upload, in the receipt's order; raises `DependencyDown` when a server does not answer."""
    client = kafka.shared_admin(settings)
    topic = kafka.describe(client, receipt.topic)
    logs = kafka.log_ranges(client, topic)
    with connect(settings.database_url) as connection:
        return [_of_message(connection, lake, topic.id, place, logs.get(place.partition)) for place in receipt.places]


def _of_message(
    connection: Connection, lake: Lake, topic_id: str, place: Place, log: kafka.LogRange | None
) -> Whereabouts:
    at = (topic_id, place.partition, place.offset)
    loaded = whereabouts.loaded(connection, *at)
    committed = whereabouts.in_lake(connection, *at, "raw_readings")
    keys = _keys(lake, topic_id, place, loaded) if loaded and committed else {}
    staged = bool(loaded and committed) and whereabouts.is_staged(connection, *at, keys)
    return Whereabouts(
        partition=place.partition,
        offset=place.offset,
        readings=place.count,
        is_in_kafka=log is not None and log.low <= place.offset < log.high_watermark,
        loaded_at=loaded.loaded_at if loaded else None,
        run_id=loaded.run_id if loaded else None,
        lake_version=committed.version if committed else None,
        lake_committed_at=committed.committed_at if committed else None,
        rows=sum(keys.values()),
        is_staged=staged,
        is_in_marts=staged and whereabouts.readings_in_marts(connection, keys),
    )


def _keys(lake: Lake, topic_id: str, place: Place, loaded: Loaded) -> dict[tuple[date, str], int]:
    """How many of the message's readings the lake holds, by day and sensor type."""
    first, last = loaded.accepted_from, loaded.accepted_to
    days = [first + timedelta(days=day) for day in range((last - first).days + 1)] if first and last else []
    found = (
        lake.scan("raw_readings")
        .filter(
            pl.col("ingest_day").is_in(days),
            pl.col("topic_id") == topic_id,
            pl.col("partition") == place.partition,
            pl.col("offset") == place.offset,
        )
        .group_by(pl.col("event_time").dt.date(), "sensor_type")
        .len()
        .collect()
    )
    return {(day, sensor_type): count for day, sensor_type, count in found.iter_rows()}


def trace_order(settings: Settings, order_id: UUID) -> list[EventWhereabouts]:
    """Each event of an order, oldest first; raises `NotFound` when there is no such order."""
    with connect(settings.database_url) as connection:
        events = whereabouts.order_events(connection, order_id)
        if not events:
            raise NotFound(f"there is no order {order_id}")
        topic_id = whereabouts.topic_id(connection, settings.orders_topic) or ""
        in_marts = whereabouts.order_in_marts(connection, order_id) or 0
        found = []
        for event in events:
            loaded = committed = None
            if event.partition is not None and event.offset is not None:
                loaded = whereabouts.loaded(connection, topic_id, event.partition, event.offset)
                committed = whereabouts.in_lake(connection, topic_id, event.partition, event.offset, "raw_orders")
            found.append(
                EventWhereabouts(
                    version=event.version,
                    type=event.type,
                    published_at=event.published_at,
                    partition=event.partition,
                    offset=event.offset,
                    loaded_at=loaded.loaded_at if loaded else None,
                    lake_version=committed.version if committed else None,
                    is_in_marts=event.version <= in_marts,
                )
            )
    return found
