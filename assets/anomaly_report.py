"""What the asset of anomalies tells: how many, the worst of them, a curve, and whether alarms have become frequent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.judging import Judged
from warehouse.database import connect
from warehouse.judged import Rate, rates

CHECK = "usual_alarm_rate"
LATELY = timedelta(days=1)
BEFORE = timedelta(days=14)
# Fewer are chance.
_FEWEST = 10
_TIMES = 3
_TOP = 10


def metadata(judged: Judged) -> dict[str, Any]:
    """Counts, the worst episodes as a table, and the curve around the worst."""
    standing = judged.episodes.filter(pl.col("verdict").is_null())
    settled = judged.episodes.get_column("verdict")
    told: dict[str, Any] = {
        "dagster/partition_row_count": standing.height,
        "series": judged.series,
        "examined": judged.examined,
        "calibrated": judged.calibrated,
        "episodes": standing.height,
        "episodes_per_series": standing.height / judged.series if judged.series else 0.0,
        **{verdict: int((settled == verdict).sum()) for verdict in ("confirmed", "corrected", "withdrawn")},
    }
    if standing.height:
        told["worst"] = dg.MetadataValue.md(table(standing))
    if judged.picture:
        told["worst_curve"] = dg.MetadataValue.md(judged.picture.markdown)
    return told


def table(episodes: pl.DataFrame) -> str:
    """The worst episodes as a Markdown table: the batch detector's first."""
    worst = episodes.sort("tier", "peak_score", descending=[False, True]).head(_TOP)
    rows = (
        f"| {row['sensor_id']} | {row['metric']} | {row['kind']} | {row['started_at']:%H:%M:%S} | "
        f"{row['ended_at'] - row['started_at']} | {row['peak_value']:,.4g} {row['unit']} | {row['peak_score']:.1f} | "
        f"{row['tier']} |"
        for row in worst.with_columns(pl.col("peak_value").fill_null(float("nan"))).iter_rows(named=True)
    )
    head = "| sensor | metric | kind | from | for | peak | score | tier |"
    return "\n".join((head, "| --- | --- | --- | --- | --- | ---: | ---: | --- |", *rows))


def jumped(found: list[Rate]) -> list[Rate]:
    """The sensor types that raise so many alarms now that somebody should look."""
    return [one for one in found if one.lately >= _FEWEST and one.lately > _TIMES * one.usual_per_day]


def checked(url: str) -> dg.AssetCheckResult:
    """A warning when a sensor type's episodes have become much more frequent within the last day."""
    with connect(url) as connection:
        found = rates(connection, lately=LATELY, before=BEFORE)
    more = jumped(found)
    told = "; ".join(
        f"{one.sensor_type}: {one.lately} within the last day, {one.usual_per_day:.1f} a day before" for one in more
    )
    return dg.AssetCheckResult(
        asset_key="anomalies",
        check_name=CHECK,
        passed=not more,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{told}. One cause often has many sensors: /sensors/anomalies lists them."
        if more
        else "As usual.",
        metadata={one.sensor_type: one.lately for one in found},
    )


def event(result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    """A check's result as an op may log it."""
    assert result.asset_key
    assert result.check_name
    return dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
    )
