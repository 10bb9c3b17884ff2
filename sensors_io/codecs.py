"""Readings as bytes and as columns."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

# What one reading is, everywhere after it was decoded; `attributes` is a JSON object as text.
READING = pl.Schema(
    {
        "sensor_id": pl.String(),
        "sensor_type": pl.String(),
        "metric": pl.String(),
        "event_time": pl.Datetime("us", "UTC"),
        "value": pl.Float64(),
        "unit": pl.String(),
        "quality": pl.Int16(),
        "station": pl.String(),
        "attributes": pl.String(),
    }
)
REJECTED = pl.Schema({"index": pl.Int32(), "reason": pl.String()})


@dataclass(frozen=True)
class Upload:
    """`readings`: `index` (Int32, its place in the body) and the columns of READING; `rejected`: index and reason."""

    readings: pl.DataFrame
    rejected: pl.DataFrame


def decode_upload(body: bytes, content_type: str) -> Upload:
    """Decode one client's body: JSON object, array or `{"readings": […]}`, NDJSON, or an Arrow stream.

    Raises `UnsupportedType` for another content type and `Invalid` when the body as a whole can't be read.
    """
    raise NotImplementedError


def encode(readings: pl.DataFrame) -> bytes:
    """The columns of READING as an lz4-compressed Arrow stream."""
    raise NotImplementedError
