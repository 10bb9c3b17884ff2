"""The topics that are drained: how each is decoded, and where its rows go."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
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
from warehouse.stores import SERIES, ReadingStore, store_order_events

Decode = Callable[[Slice], Batch]

_LAKE_POSITION = {"topic_id": pl.String(), **POSITION, "ingest_day": pl.Date()}
# Bytes of messages that are decoded at once. Junk can be forty times as large decoded, until it is counted out.
_DECODED_TOGETHER_BYTES = 8 << 20
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
        "raw_orders",
        RAW_ORDERS_SCHEMA,
        "raw_orders",
        store_order_events,
        order_checksums,
    )


def readings_feed(settings: Settings, *, sensor_types: Collection[str]) -> Feed:
    """Readings, many a message, in any of the three content types."""
    return Feed(
        "readings",
        settings.readings_topic,
        partial(decode_readings, sensor_types=sensor_types, hot_days=settings.hot_days),
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
    known = rows.get_column("series_key") if "series_key" in rows.columns else _SERIES_KEYS(rows)
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


def decode_readings(read: Slice, *, sensor_types: Collection[str], hot_days: int) -> Batch:
    """Decode and judge a slice of readings; what is not taken is dead."""
    began = time.monotonic()
    messages = read.messages.frame()
    positions = _positions(messages)
    parts = [_readings(read, messages, positions, part, sensor_types) for part in _parts(messages)]
    rows, rejected = (pl.concat(frames, rechunk=True) for frames in zip(*parts, strict=True))
    is_cold = pl.col("event_time").dt.date() < pl.col("ingested_at").dt.date() - timedelta(days=hot_days)
    keyed = rows.drop("message").with_columns(_SERIES_KEYS(rows).alias("series_key"))
    checked = keyed.with_columns(reading_checksums(keyed), is_cold=is_cold)
    return _batch(read, messages, positions, checked, rejected, began)


def _parts(messages: pl.DataFrame) -> list[slice]:
    """Where to cut the messages, so that what they might decode to is bounded."""
    sizes = messages.get_column("bytes").cast(pl.Int64)
    ends = (sizes.cum_sum() // _DECODED_TOGETHER_BYTES).rle().struct.field("len").cum_sum().to_list() or [0]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _readings(
    read: Slice, messages: pl.DataFrame, positions: pl.DataFrame, part: slice, sensor_types: Collection[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The good readings of some of the messages, with where they came from, and the rest as REJECTED."""
    decoded = codecs.decode(read.messages.values[part], read.messages.content_types[part])
    there = positions[part]
    located = decoded.readings.hstack(there.drop("message")[decoded.readings.get_column("message")])
    rows, refused = judge(located, sensor_types=sensor_types, seen_at=pl.col("ingested_at"))
    rejected = refusals(decoded.rejected, refused, messages.get_column("bytes")[part])
    in_slice = pl.col("message") + pl.lit(part.start, pl.UInt32)
    return rows.with_columns(in_slice), rejected.with_columns(in_slice)


def decode_order_events(read: Slice) -> Batch:
    """Decode a slice of order events; what is not one is dead."""
    began = time.monotonic()
    messages = read.messages.frame()
    positions = _positions(messages)
    events, rejected = order_events.decode(read.messages.values)
    rows = events.join(positions, on="message", how="left", maintain_order="left").with_columns(
        index=pl.lit(0, dtype=pl.Int32)
    )
    whole = pl.lit(WHOLE_MESSAGE, dtype=pl.Int32)
    checked = rows.drop("message").with_columns(order_checksums(rows), is_cold=pl.lit(False))
    refused = rejected.select("message", whole.alias("index"), "reason", payload=pl.lit(None, pl.Binary))
    return _batch(read, messages, positions, checked, refused, began)


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
        dead=dead.with_columns(dead_letter_checksums(dead)),
        read_s=read.read_s,
        decode_s=time.monotonic() - began,
    )


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
