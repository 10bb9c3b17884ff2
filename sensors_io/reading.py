"""What one reading is: its columns, the content types that carry it, and what decoding them leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import ArrayLike

import sensorhouse.arrays  # noqa: F401  polars finds numpy

JSON = "application/json"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"

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
REQUIRED = ("sensor_id", "sensor_type", "metric", "event_time", "value", "unit")
REJECTED = pl.Schema({"message": pl.UInt32(), "index": pl.Int32(), "reason": pl.String(), "payload": pl.Binary()})
WHOLE_MESSAGE = -1
# As REJECTED.
Rejection = tuple[int, int, str, bytes | None]
# The most that one message may carry.
MOST_READINGS = 1_000_000
ARROW_TYPES: dict[str, pa.DataType] = {
    "sensor_id": pa.string(),
    "sensor_type": pa.string(),
    "metric": pa.string(),
    "event_time": pa.timestamp("us", "UTC"),
    "value": pa.float64(),
    "unit": pa.string(),
    "quality": pa.int16(),
    "station": pa.string(),
    "attributes": pa.string(),
}
ARROW_SCHEMA = pa.schema(ARROW_TYPES)


@dataclass(frozen=True)
class Decoded:
    """What a sequence of messages says.

    `readings`: `message` (its place in the sequence), `index` (the reading's place in its message) and READING;
    `rejected`: REJECTED, with index -1 where the whole message can't be read; `payload` is the reading alone as JSON,
    or null for what only the whole message shows.
    """

    readings: pl.DataFrame
    rejected: pl.DataFrame


def no_readings() -> pl.DataFrame:
    """The columns of `Decoded.readings`, without a row."""
    return pl.Schema({"message": pl.UInt32(), "index": pl.Int32(), **READING}).to_frame()


def places(messages: Sequence[int], counts: ArrayLike) -> tuple[pl.Series, pl.Series]:
    """Of each reading, `message` and `index`: the messages at these places hold so many each."""
    rows = np.asarray(counts, np.int64)
    firsts = np.repeat(np.cumsum(rows) - rows, rows)
    return (
        pl.Series("message", np.repeat(np.asarray(messages, np.uint32), rows)),
        pl.Series("index", (np.arange(len(firsts)) - firsts).astype(np.int32)),
    )


def as_rejected(rows: Sequence[Rejection]) -> pl.DataFrame:
    """The rows as a frame of REJECTED."""
    return pl.DataFrame(rows, schema=REJECTED, orient="row")


def all_rejected(rows: Iterable[tuple[int, str]]) -> Decoded:
    """No reading at all, and for these reasons none of these messages."""
    return Decoded(no_readings(), as_rejected([(message, WHOLE_MESSAGE, reason, None) for message, reason in rows]))


def short(what: object) -> str:
    """One line of it, fit for a reason."""
    return str(what)[:120].encode(errors="replace").decode().replace("\n", " ").replace("\x00", " ")
