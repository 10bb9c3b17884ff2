"""Which readings are taken, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import polars as pl

from sensors_io.reading import READING, REQUIRED

LONGEST_NAME = 128
LONGEST_ATTRIBUTES = 4096
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# Clocks of devices run ahead now and then; more than this is a mistake.
AHEAD = timedelta(hours=1)
_CONTROL = r"[\x00-\x1f\x7f]"


def judge(
    readings: pl.DataFrame, *, sensor_types: Collection[str], seen_at: datetime | pl.Expr
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split into those to keep and those to reject, the latter with a column `reason`.

    `readings` has the columns of READING and any others; `seen_at` is when they arrived.
    """
    problem = readings.select(_problem(sensor_types, seen_at)).to_series()
    if problem.null_count() == readings.height:
        return readings, readings.clear().with_columns(reason=pl.lit(None, dtype=pl.String))
    bad = problem.is_not_null()
    return readings.filter(~bad), readings.filter(bad).with_columns(problem.filter(bad).alias("reason"))


def _problem(sensor_types: Collection[str], seen_at: datetime | pl.Expr) -> pl.Expr:
    """The first thing that is wrong, or null."""
    seen = seen_at if isinstance(seen_at, pl.Expr) else pl.lit(seen_at)
    rules = [(pl.col(name).is_null(), f"{name} is missing") for name in REQUIRED]
    for name in ("sensor_id", "sensor_type", "metric", "unit", "station"):
        column = pl.col(name)
        rules += [
            (column.str.len_bytes() > LONGEST_NAME, f"{name} is longer than {LONGEST_NAME} bytes"),
            (column.str.contains(_CONTROL), f"{name} has a control character"),
        ]
        if name in READING and name in REQUIRED:
            rules.append((column.str.len_bytes() == 0, f"{name} is empty"))
    attributes = pl.col("attributes")
    rules += [
        (~pl.col("value").is_finite(), "value is not a finite number"),
        (~pl.col("sensor_type").is_in(sorted(sensor_types)), "unknown sensor_type"),
        (pl.col("event_time") < EARLIEST, "event_time is before 2000"),
        (pl.col("event_time") > seen + AHEAD, "event_time is more than an hour ahead"),
        (attributes.str.len_bytes() > LONGEST_ATTRIBUTES, f"attributes are longer than {LONGEST_ATTRIBUTES} bytes"),
        (attributes.str.contains(r"\x00|\\u0000"), "attributes has a control character"),
    ]
    return pl.coalesce(pl.when(wrong).then(pl.lit(reason)) for wrong, reason in rules).alias("reason")
