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
_NAMES = ("sensor_id", "sensor_type", "metric", "unit", "station")
_CONTROL = r"[\x00-\x1f\x7f]"

Rule = tuple[str, pl.Expr, str]


def judge(
    readings: pl.DataFrame, *, sensor_types: Collection[str], seen_at: datetime | pl.Expr, known: Collection[str] = ()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split into those to keep and those to reject, the latter with a column `reason`.

    `readings` has the columns of READING and any others; `seen_at` is when they arrived; the columns `known` were found
    right before.
    """
    rules = [rule for rule in _rules(sensor_types, seen_at) if rule[0] not in known]
    if not _breaks_any(readings, rules):
        return readings, readings.clear().insert_column(readings.width, pl.Series("reason", [], pl.String))
    problem = readings.select(pl.coalesce(pl.when(wrong).then(pl.lit(why)) for _, wrong, why in rules)).to_series()
    bad = problem.is_not_null()
    return readings.filter(~bad), readings.filter(bad).with_columns(problem.filter(bad).alias("reason"))


def _breaks_any(readings: pl.DataFrame, rules: list[Rule]) -> bool:
    """Whether anything is wrong anywhere; names are looked at once each, however many readings bear them."""
    silent = {
        name for name in READING if name not in REQUIRED and readings.get_column(name).null_count() == readings.height
    }
    for column in _NAMES:
        wrong = [broken for name, broken, _ in rules if name == column and name not in silent]
        if wrong and readings.select(pl.col(column).unique()).select(pl.any_horizontal(wrong).any()).item():
            return True
    wrong = [broken.any() for name, broken, _ in rules if name not in _NAMES and name not in silent]
    return bool(readings.select(pl.any_horizontal(wrong)).item())


def _rules(sensor_types: Collection[str], seen_at: datetime | pl.Expr) -> list[Rule]:
    """What may be wrong: with which column, when, and how to say so; the first that applies is told."""
    seen = seen_at if isinstance(seen_at, pl.Expr) else pl.lit(seen_at)
    rules = [(name, pl.col(name).is_null(), f"{name} is missing") for name in REQUIRED]
    for name in _NAMES:
        column = pl.col(name)
        rules += [
            (name, column.str.len_bytes() > LONGEST_NAME, f"{name} is longer than {LONGEST_NAME} bytes"),
            (name, column.str.contains(_CONTROL), f"{name} has a control character"),
        ]
        if name in REQUIRED:
            rules.append((name, column.str.len_bytes() == 0, f"{name} is empty"))
    attributes, time = pl.col("attributes"), pl.col("event_time")
    too_long = f"attributes are longer than {LONGEST_ATTRIBUTES} bytes"
    return [
        *rules,
        ("value", ~pl.col("value").is_finite(), "value is not a finite number"),
        ("sensor_type", ~pl.col("sensor_type").is_in(sorted(sensor_types)), "unknown sensor_type"),
        ("event_time", time < EARLIEST, "event_time is before 2000"),
        ("event_time", time > seen + AHEAD, "event_time is more than an hour ahead"),
        ("attributes", attributes.str.len_bytes() > LONGEST_ATTRIBUTES, too_long),
        ("attributes", attributes.str.contains(r"\x00|\\u0000"), "attributes has a control character"),
    ]
