"""Event times: RFC 3339 text to UTC."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from sensors_io.reading import ARROW_TYPES, REJECTED
from sensors_io.reading_json import as_json

# As Arrow has it, the shortest time with seconds; what is shorter lacks them, or has a shorter zone.
_COMMON = (("Z", len("2026-01-31T12:00:00Z")), ("+00:00", len("2026-01-31T12:00:00+00:00")))
_SHAPE = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$"


def plain_times(text: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any] | None:
    """The times, read fast, when all are in UTC and of the commonest forms; else None."""
    for zone, shortest in _COMMON:
        if pc.all(pc.ends_with(text, zone)).as_py() is not False:
            if (pc.min(pc.binary_length(text)).as_py() or shortest) < shortest:
                return None
            try:
                return text.cast(ARROW_TYPES["event_time"])
            except pa.ArrowInvalid:
                return None
    return None


def parse_times(readings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Turn event_time from text into UTC; apart, as REJECTED, the readings where it is something else."""
    text = readings.get_column("event_time")
    # A fixed shape first: years beyond 9999 and times without a zone must not reach the parser.
    shaped = text.str.contains(_SHAPE)
    times = (
        pl.select(pl.when(shaped).then(text))
        .to_series()
        .str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    )
    timed = readings.with_columns(times.alias("event_time"))
    wrong = text.is_not_null() & times.is_null()
    if not wrong.any():
        return timed, REJECTED.to_frame()
    reason = pl.lit("event_time is not a time with a zone, such as 2026-01-31T12:00:00Z").alias("reason")
    bad = readings.filter(wrong)
    return timed.filter(~wrong), bad.select("message", "index", reason, as_json(bad))
