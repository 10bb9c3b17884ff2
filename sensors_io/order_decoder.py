"""Slices of order events to batches."""

from __future__ import annotations

import time

import polars as pl

from sensors_io import order_events
from sensors_io.decoding import batch_of, checked, positions_of
from sensors_io.reading import WHOLE_MESSAGE
from sensors_io.slices import Slice
from warehouse.batches import Batch
from warehouse.checksums import row_checksums


def decode_order_events(read: Slice) -> Batch:
    """Decode order events; what is not one is dead."""
    began = time.monotonic()
    messages = read.messages.frame()
    positions = positions_of(messages)
    events, rejected = order_events.decode(read.messages.values)
    rows = events.join(positions, on="message", how="left", maintain_order="left").with_columns(
        index=pl.lit(0, dtype=pl.Int32)
    )
    whole = pl.lit(WHOLE_MESSAGE, dtype=pl.Int32)
    refused = rejected.select("message", whole.alias("index"), "reason", payload=pl.lit(None, pl.Binary))
    return batch_of(read, messages, positions, rows.drop("message"), refused, began)


def finish_order_events(batch: Batch) -> Batch:
    """Add checksums; no order event is cold."""
    began = time.monotonic()
    return checked(batch, batch.rows.with_columns(order_checksums(batch.rows), is_cold=pl.lit(False)), began)


def order_checksums(rows: pl.DataFrame) -> pl.Series:
    """The checksum of each order event; one message carries one, so that its offset is its position."""
    texts = ("event_id", "order_id", "type", "status", "customer_id", "sku", "reason", "actor")
    numbers = ("partition", "offset", "ingested_at", "version", "quantity", "occurred_at")
    return row_checksums(rows, texts=[texts], numbers=numbers)
