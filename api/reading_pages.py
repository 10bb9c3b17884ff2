"""Pages of readings as JSON, NDJSON, CSV or an Arrow stream, written column by column."""

from __future__ import annotations

import io
from collections.abc import Callable

import orjson
import polars as pl

from sensors_io.reading import ARROW, JSON, NDJSON

CSV = "text/csv"

# Without a fraction where there is none.
_TIME = "%Y-%m-%dT%H:%M:%S%.fZ"
_CSV_TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"
# What makes a spreadsheet take a cell for a formula.
_FORMULA = r"^[=+\-@\t\r]"
_COLUMNS = (
    *("sensor_id", "sensor_type", "metric", "event_time", "value", "unit", "quality", "station", "ingested_at"),
    *("is_anomaly", "score", "attributes"),
)


def as_json(readings: pl.DataFrame, after: str | None) -> bytes:
    """`{"items": […], "next": …}`."""
    return b'{"items":[%b],"next":%b}' % (_joined(readings, ","), orjson.dumps(after))


def as_ndjson(readings: pl.DataFrame) -> bytes:
    """One object a line, each line ended."""
    return _joined(readings, "\n") + (b"\n" if readings.height else b"")


def as_csv(readings: pl.DataFrame) -> bytes:
    """A header row, then one row a reading; null is an empty cell.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    rows, text = io.BytesIO(), pl.col("sensor_id", "sensor_type", "metric", "unit", "station")
    is_formula = text.str.contains(_FORMULA)
    _told(readings).with_columns(pl.when(is_formula).then("'" + text).otherwise(text).name.keep()).write_csv(
        rows, datetime_format=_CSV_TIME
    )
    return rows.getvalue()


def as_arrow(readings: pl.DataFrame) -> bytes:
    """An Arrow stream of the same columns."""
    stream = io.BytesIO()
    _told(readings).write_ipc_stream(stream, compat_level=pl.CompatLevel.oldest())
    return stream.getvalue()


WITHOUT_CURSOR: dict[str, Callable[[pl.DataFrame], bytes]] = {NDJSON: as_ndjson, CSV: as_csv, ARROW: as_arrow}
# The first is what a client gets who does not say.
READING_TYPES = (JSON, *WITHOUT_CURSOR)


def written(readings: pl.DataFrame, media_type: str, after: str | None) -> bytes:
    """The page as one of READING_TYPES; only JSON has a place for the cursor of the next."""
    return as_json(readings, after) if media_type == JSON else WITHOUT_CURSOR[media_type](readings)


def _told(readings: pl.DataFrame) -> pl.DataFrame:
    """The columns that clients see."""
    return readings.with_columns(is_anomaly=pl.col("score").is_not_null()).select(_COLUMNS)


def _joined(readings: pl.DataFrame, separator: str) -> bytes:
    """Each reading as a JSON object; attributes, which are one already, as they are."""
    told = _told(readings).with_columns(pl.col("event_time", "ingested_at").dt.strftime(_TIME))
    plain = pl.struct(pl.exclude("attributes")).struct.json_encode().str.strip_suffix("}")
    # A line end within them can only be space: in a string it would be escaped.
    attributes = pl.col("attributes").fill_null("null").str.replace_all(r"[\r\n]", " ")
    objects = told.select(pl.concat_str(plain, pl.lit(',"attributes":'), attributes, pl.lit("}")).alias("object"))
    text: str = objects.get_column("object").str.join(separator).item()
    return text.encode()
