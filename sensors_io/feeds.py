"""The topics that are drained: how each is decoded, and where its rows go."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import polars as pl

from sensorhouse.settings import Settings
from sensors_io import codecs, order_events
from sensors_io.reading import JSON, READING, WHOLE_MESSAGE
from sensors_io.refusals import refusals
from sensors_io.slices import Slice, printable
from sensors_io.validation import judge
from warehouse.batches import DEAD_LETTER, POSITION, Batch
from warehouse.checksums import TextKeys, row_checksums
from warehouse.load import Store
from warehouse.stores import SERIES, OrderEventStore, ReadingStore

Decode = Callable[[Slice], Batch]
"""A slice, or a part of one, to rows and dead letters without checksums."""

Finish = Callable[[Batch], Batch]
"""Adds to a whole slice what a Batch has beyond what was decoded."""

_LAKE_POSITION = {"topic_id": pl.String(), **POSITION, "ingest_day": pl.Date()}
_LONGEST_PAYLOAD = 1 << 20
_SERIES_KEYS = TextKeys(SERIES)
# Of a key that every dead letter of a message repeats; keys are names of sensors.
_LONGEST_KEY = 1 << 10


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


def readings_feed(settings: Settings, *, sensor_types: Collection[str]) -> Feed:
    """Readings, many a message, in any of the three content types."""
    return Feed(
        "readings",
        settings.readings_topic,
        partial(decode_readings, sensor_types=sensor_types),
        partial(finish_readings, hot_days=settings.hot_days),
        "raw_readings",
        RAW_READINGS_SCHEMA,
        "reading_chunks",
        ReadingStore(),
        reading_checksums,
    )


def feeds(settings: Settings, *, sensor_types: Collection[str]) -> dict[str, Feed]:
    """Every topic that is drained, by its name in Dagster."""
    declared = (orders_feed(settings), readings_feed(settings, sensor_types=sensor_types))
    return {feed.name: feed for feed in declared}


def reading_checksums(rows: pl.DataFrame) -> pl.Series:
    """The checksum of each raw reading: where it came from and everything it says."""
    known = rows.get_column("series_key") if "series_key" in rows.columns else _SERIES_KEYS(rows).get_column("key")
    return row_checksums(
        rows,
        keys=[known],
        texts=[("station",), ("attributes",)],
        numbers=("partition", "offset", "index", "ingested_at", "event_time", "value", "quality"),
    )


def order_checksums(rows: pl.DataFrame) -> pl.Series:
    """The checksum of each order event; one message carries one, so that its offset is its position."""
    texts = ("event_id", "order_id", "type", "status", "customer_id", "sku", "reason", "actor")
    numbers = ("partition", "offset", "ingested_at", "version", "quantity", "occurred_at")
    return row_checksums(rows, texts=[texts], numbers=numbers)


def dead_letter_checksums(rows: pl.DataFrame) -> pl.Series:
    """The checksum of each dead letter."""
    numbers = ("partition", "offset", "index", "ingested_at")
    return row_checksums(rows, texts=[("reason",), ("payload",)], numbers=numbers)


def decode_readings(read: Slice, *, sensor_types: Collection[str]) -> Batch:
    """Decode and judge readings, in the order of their messages; what is not taken is dead.

    Junk can be forty times as large decoded, until it is counted out: the slice should be a part of a few MiB.
    """
    began = time.monotonic()
    messages = read.messages.frame()
    positions = _positions(messages)
    decoded = codecs.decode(read.messages.values, read.messages.content_types)
    found = decoded.readings
    if not found.get_column("message").is_sorted():
        found = found.sort("message", "index")
    located = found.hstack(positions.drop("message")[found.get_column("message")])
    rows, refused = judge(located, sensor_types=sensor_types, seen_at=pl.col("ingested_at"))
    rejected = refusals(decoded.rejected, refused, messages.get_column("bytes"))
    return _batch(read, messages, positions, rows.drop("message"), rejected, began)


def finish_readings(batch: Batch, *, hot_days: int) -> Batch:
    """Tell cold readings, number the slice's series (`series`), and add checksums."""
    began = time.monotonic()
    keys = _SERIES_KEYS(batch.rows)
    keyed = batch.rows.with_columns(series=keys.get_column("number"), series_key=keys.get_column("key"))
    is_cold = pl.col("event_time").dt.date() < pl.col("ingested_at").dt.date() - timedelta(days=hot_days)
    return _checked(batch, keyed.with_columns(reading_checksums(keyed), is_cold=is_cold), began)


def decode_order_events(read: Slice) -> Batch:
    """Decode order events; what is not one is dead."""
    began = time.monotonic()
    messages = read.messages.frame()
    positions = _positions(messages)
    events, rejected = order_events.decode(read.messages.values)
    rows = events.join(positions, on="message", how="left", maintain_order="left").with_columns(
        index=pl.lit(0, dtype=pl.Int32)
    )
    whole = pl.lit(WHOLE_MESSAGE, dtype=pl.Int32)
    refused = rejected.select("message", whole.alias("index"), "reason", payload=pl.lit(None, pl.Binary))
    return _batch(read, messages, positions, rows.drop("message"), refused, began)


def finish_order_events(batch: Batch) -> Batch:
    """Add checksums; no order event is cold."""
    began = time.monotonic()
    return _checked(batch, batch.rows.with_columns(order_checksums(batch.rows), is_cold=pl.lit(False)), began)


def _positions(messages: pl.DataFrame) -> pl.DataFrame:
    """Per message, by its place in the slice: partition, offset, ingested_at."""
    return messages.select("partition", "offset", pl.col("ingested_at").cast(POSITION["ingested_at"])).with_row_index(
        "message"
    )


def _origins(read: Slice, places: pl.Series) -> pl.DataFrame:
    """Per message: all of it, its content type, its key and the upload that it belongs to."""
    return pl.DataFrame(
        {
            "message": places,
            "whole": [read.messages.values[at][:_LONGEST_PAYLOAD] for at in places],
            "content_type": [printable(read.messages.content_types[at]) for at in places],
            "key": [read.messages.keys[at] for at in places],
            "upload_id": [read.messages.upload_ids[at] for at in places],
        },
        schema_overrides={
            "whole": pl.Binary,
            "content_type": pl.String,
            "key": pl.Binary,
            "upload_id": pl.String,
        },
    )


def _batch(
    read: Slice,
    messages: pl.DataFrame,
    positions: pl.DataFrame,
    rows: pl.DataFrame,
    rejected: pl.DataFrame,
    began: float,
) -> Batch:
    dead = _dead_letters(read, positions, rejected) if rejected.height else DEAD_LETTER.to_frame()
    return Batch(
        topic=read.topic.name,
        topic_id=read.topic.id,
        ranges=read.ranges,
        messages=messages,
        rows=rows,
        dead=dead,
        read_s=read.read_s,
        decode_s=time.monotonic() - began,
    )


def _checked(batch: Batch, rows: pl.DataFrame, began: float) -> Batch:
    """The batch with these rows, and its dead letters' checksums."""
    dead = batch.dead.with_columns(dead_letter_checksums(batch.dead))
    return replace(batch, rows=rows, dead=dead, decode_s=batch.decode_s + time.monotonic() - began)


def _dead_letters(read: Slice, positions: pl.DataFrame, rejected: pl.DataFrame) -> pl.DataFrame:
    return (
        rejected.unique(["message", "index"], keep="first", maintain_order=True)
        .join(positions, on="message", how="left", maintain_order="left")
        .join(_origins(read, rejected.get_column("message").unique()), on="message", how="left", maintain_order="left")
        .with_columns(
            payload=pl.coalesce("payload", "whole"),
            content_type=pl.when(pl.col("payload").is_null()).then("content_type").otherwise(pl.lit(JSON)),
            key=pl.when((pl.col("index") == WHOLE_MESSAGE) | (pl.col("key").bin.size() <= _LONGEST_KEY)).then("key"),
        )
        .select(DEAD_LETTER.names())
    )
