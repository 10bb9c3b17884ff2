"""The topics that are drained: how each is decoded, and where its rows go."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import polars as pl

from sensorhouse.settings import Settings
from sensors_io import order_events
from sensors_io.order_decoder import decode_order_events, finish_order_events, order_checksums
from sensors_io.reading import READING
from sensors_io.reading_decoder import ReadingDecoder, reading_checksums
from sensors_io.slices import Slice
from warehouse.batches import DEAD_LETTER, POSITION, Batch
from warehouse.load import Store
from warehouse.stores import OrderEventStore, ReadingStore
from warehouse.watching import Watcher

Decode = Callable[[Slice], Batch]
"""A slice, or a part of one, to rows and dead letters without checksums."""

Finish = Callable[[Batch], Batch]
"""Adds to a whole slice what a Batch has beyond what was decoded."""

_LAKE_POSITION = {"topic_id": pl.String(), **POSITION, "ingest_day": pl.Date()}


@dataclass(frozen=True)
class Feed:
    """One topic: its name in Dagster, its name in Kafka, its codec, its tables, and what tells its rows apart."""

    name: str
    topic: str
    decode: Decode
    finish: Finish
    lake_table: str
    lake_schema: pl.Schema
    warehouse_table: str
    store: Store
    checksums: Callable[[pl.DataFrame], pl.Series]


DEAD_LETTERS = "dead_letters"
DEAD_LETTERS_SCHEMA = pl.Schema({**DEAD_LETTER, "topic": pl.String(), "topic_id": pl.String(), "ingest_day": pl.Date()})
RAW_ORDERS_SCHEMA = pl.Schema({**order_events.ORDER_EVENT, **_LAKE_POSITION})
RAW_READINGS_SCHEMA = pl.Schema({**READING, **_LAKE_POSITION})


def orders_feed(settings: Settings) -> Feed:
    """Order events, one JSON object a message."""
    return Feed(
        "orders",
        settings.orders_topic,
        decode_order_events,
        finish_order_events,
        "raw_orders",
        RAW_ORDERS_SCHEMA,
        "raw_orders",
        OrderEventStore(),
        order_checksums,
    )


def readings_feed(settings: Settings, *, sensor_types: Collection[str], watcher: Watcher | None = None) -> Feed:
    """Readings, many a message, in any of the three content types; watched by `watcher` as they are stored."""
    decoder = ReadingDecoder(sensor_types, hot_days=settings.hot_days)
    return Feed(
        "readings",
        settings.readings_topic,
        decoder.decode,
        decoder.finish,
        "raw_readings",
        RAW_READINGS_SCHEMA,
        "reading_chunks",
        ReadingStore(watcher),
        reading_checksums,
    )


def feeds(settings: Settings, *, sensor_types: Collection[str], watcher: Watcher | None = None) -> dict[str, Feed]:
    """Every topic that is drained, by its name in Dagster."""
    declared = (orders_feed(settings), readings_feed(settings, sensor_types=sensor_types, watcher=watcher))
    return {feed.name: feed for feed in declared}
