"""The topics that are drained: how each is decoded, and where its rows go."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import polars as pl

from sensorhouse.settings import Settings
from sensors_io import codecs, order_events
from sensors_io.reading import READING, WHOLE_MESSAGE
from sensors_io.slices import Slice
from sensors_io.validation import judge
from warehouse.batches import DEAD_LETTER, POSITION, Batch
from warehouse.load import Store
from warehouse.stores import ReadingStore, store_order_events

Decode = Callable[[Slice], Batch]

_LAKE_POSITION = {"topic_id": pl.String(), **POSITION, "ingest_day": pl.Date()}
_LONGEST_PAYLOAD = 1 << 20


@dataclass(frozen=True)
class Feed:
    """One topic: its name in Dagster, its name in Kafka, its codec, its tables."""

    name: str
    topic: str
    decode: Decode
    lake_table: str
    lake_schema: pl.Schema
    warehouse_table: str
    store: Store


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
        "raw_orders",
        RAW_ORDERS_SCHEMA,
        "raw_orders",
        store_order_events,
    )


def readings_feed(settings: Settings, *, sensor_types: Collection[str]) -> Feed:
    """Readings, many a message, in any of the three content types."""
    return Feed(
        "readings",
        settings.readings_topic,
        partial(decode_readings, sensor_types=sensor_types),
        "raw_readings",
        RAW_READINGS_SCHEMA,
        "reading_chunks",
        ReadingStore(),
    )


def decode_readings(read: Slice, *, sensor_types: Collection[str]) -> Batch:
    """Decode and judge a slice of readings; what is not taken is dead."""
    positions = _positions(read)
    decoded = codecs.decode(
        read.messages.get_column("value").to_list(), read.messages.get_column("content_type").to_list()
    )
    located = decoded.readings.join(positions, on="message", how="left", maintain_order="left")
    rows, refused = judge(located, sensor_types=sensor_types, seen_at=pl.col("ingested_at"))
    rejected = pl.concat([decoded.rejected, refused.select("message", "index", "reason")])
    return _batch(read, positions, rows.drop("message"), rejected)


def decode_order_events(read: Slice) -> Batch:
    """Decode a slice of order events; what is not one is dead."""
    positions = _positions(read)
    events, rejected = order_events.decode(read.messages.get_column("value").to_list())
    rows = events.join(positions, on="message", how="left", maintain_order="left").with_columns(
        index=pl.lit(0, dtype=pl.Int32)
    )
    whole = pl.lit(WHOLE_MESSAGE, dtype=pl.Int32)
    return _batch(read, positions, rows.drop("message"), rejected.select("message", whole.alias("index"), "reason"))


def _positions(read: Slice) -> pl.DataFrame:
    """Per message, by its place in the slice: partition, offset, ingested_at."""
    return read.messages.select(
        "partition", "offset", pl.col("ingested_at").cast(POSITION["ingested_at"])
    ).with_row_index("message")


def _batch(read: Slice, positions: pl.DataFrame, rows: pl.DataFrame, rejected: pl.DataFrame) -> Batch:
    payloads = read.messages.select(payload=pl.col("value").bin.head(_LONGEST_PAYLOAD)).with_row_index("message")
    dead = (
        rejected.unique(["message", "index"], keep="first", maintain_order=True)
        .join(positions, on="message", how="left")
        .join(payloads, on="message", how="left")
        .select(DEAD_LETTER.names())
    )
    return Batch(
        topic=read.topic.name,
        topic_id=read.topic.id,
        ranges=read.ranges,
        messages=positions.select("partition", "offset"),
        rows=rows,
        dead=dead,
    )
