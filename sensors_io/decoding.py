"""What the decoding of every feed has in common: where rows came from, and dead letters out of what was refused."""

from __future__ import annotations

import time
from dataclasses import replace

import polars as pl

from sensors_io.reading import JSON, WHOLE_MESSAGE
from sensors_io.slices import Slice, printable
from warehouse.batches import DEAD_LETTER, POSITION, Batch
from warehouse.checksums import row_checksums

_LONGEST_PAYLOAD = 1 << 20
# Of a key that every dead letter of a message repeats; keys are names of sensors.
_LONGEST_KEY = 1 << 10


def positions_of(messages: pl.DataFrame) -> pl.DataFrame:
    """Per message, by its place in the slice: partition, offset, ingested_at."""
    accepted = messages.get_column("ingested_at").cast(POSITION["ingested_at"])
    return messages.select("partition", "offset").insert_column(2, accepted).with_row_index("message")


def batch_of(
    read: Slice,
    messages: pl.DataFrame,
    positions: pl.DataFrame,
    rows: pl.DataFrame,
    rejected: pl.DataFrame,
    began: float,
) -> Batch:
    """What was read: these rows and, of what was `rejected` (REJECTED), dead letters; `began` is monotonic."""
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


def checked(batch: Batch, rows: pl.DataFrame, began: float) -> Batch:
    """The batch with these rows, and its dead letters' checksums."""
    dead = batch.dead.with_columns(dead_letter_checksums(batch.dead))
    return replace(batch, rows=rows, dead=dead, decode_s=batch.decode_s + time.monotonic() - began)


def dead_letter_checksums(rows: pl.DataFrame) -> pl.Series:
    """The checksum of each dead letter."""
    numbers = ("partition", "offset", "index", "ingested_at")
    return row_checksums(rows, texts=[("reason",), ("payload",)], numbers=numbers)


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
