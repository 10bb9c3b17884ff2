"""Staged readings out of the lake, for event days that the warehouse no longer has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import wraps
from typing import ParamSpec, TypeVar

import polars as pl
from deltalake.exceptions import DeltaError

from sensorhouse.errors import DependencyDown
from sensors_io.lake import Lake
from warehouse.readings import BEGINNING, END, STAGED, Position, Row, Selection

P = ParamSpec("P")
T = TypeVar("T")

_ORDER = ("event_time", "sensor_id", "metric")
_SERIES = ("sensor_id", "metric", "unit", "sensor_type")
# The first days that a page is looked for in are few, each next time more: sparse readings then cost few looks.
_GROWTH = 4


def _or_down(read: Callable[P, T]) -> Callable[P, T]:
    """Tell a lake that does not answer by its name."""

    @wraps(read)
    def reading(*args: P.args, **named: P.kwargs) -> T:
        try:
            return read(*args, **named)
        except (DeltaError, OSError, pl.exceptions.ComputeError) as error:
            raise DependencyDown(f"the lake does not answer: {error}") from error

    return reading


@_or_down
def page(
    lake: Lake,
    chosen: Selection,
    days: Sequence[date],
    *,
    anomalies_only: bool,
    after: Position | None,
    limit: int,
) -> pl.DataFrame:
    """The oldest readings of these days, which are in order, at most `limit`, as STAGED."""
    parts: list[pl.DataFrame] = []
    missing, at, width = limit, 0, 1
    while at < len(days) and missing:
        found = _scored(lake, chosen, days[at : at + width], anomalies_only=anomalies_only)
        if after:
            found = found.filter(_is_after(after))
        parts.append(found.sort(_ORDER).head(missing).select(STAGED.names()).collect().cast(STAGED))
        missing -= parts[-1].height
        at, width = at + width, width * _GROWTH
    return pl.concat([STAGED.to_frame(), *parts])


@_or_down
def statistics(
    lake: Lake, chosen: Selection, days: Sequence[date], *, after: tuple[str, str] | None, limit: int
) -> tuple[list[Row], tuple[str, str] | None]:
    """Per sensor, metric and unit what the warehouse's own statistics have; and the last pair, if there are more."""
    found = _readings(lake, chosen, days)
    if after:
        found = found.filter(
            (pl.col("sensor_id") > after[0]) | ((pl.col("sensor_id") == after[0]) & (pl.col("metric") > after[1]))
        )
    grouped = (
        found.group_by(_SERIES)
        .agg(
            count=pl.len(),
            mean=pl.col("value").mean(),
            min=pl.col("value").min(),
            max=pl.col("value").max(),
            std=pl.col("value").std(),
            last=pl.col("value").sort_by("event_time").last(),
            last_at=pl.col("event_time").max(),
        )
        .sort(_SERIES)
        .collect()
    )
    pairs = grouped.select("sensor_id", "metric").unique(maintain_order=True)
    here = pairs.head(limit)
    rows = grouped.join(here, on=["sensor_id", "metric"], how="semi", maintain_order="left").to_dicts()
    last = here.row(-1) if pairs.height > limit else None
    return rows, last


def _readings(lake: Lake, chosen: Selection, days: Sequence[date]) -> pl.LazyFrame:
    return lake.scan("readings").filter(*_chosen(chosen, days))


def _scored(lake: Lake, chosen: Selection, days: Sequence[date], *, anomalies_only: bool) -> pl.LazyFrame:
    found = _readings(lake, chosen, days)
    if not lake.has("episodes"):
        return found.with_columns(score=pl.lit(None, pl.Float64)).filter(not anomalies_only)
    named = {"sensor_id": chosen.sensor_id, "sensor_type": chosen.sensor_type, "metric": chosen.metric}
    abnormal = (
        lake.scan("episodes")
        .filter(
            pl.col("verdict").is_null(),
            pl.col("readings") > 0,
            pl.col("started_at").dt.date() <= max(days),
            pl.col("ended_at").dt.date() >= min(days),
            *(pl.col(column) == value for column, value in named.items() if value is not None),
        )
        .select("sensor_id", "metric", "started_at", "ended_at", score="peak_score")
    )
    times = found.select(_ORDER)
    scores = (
        times.join_where(
            abnormal.rename({"sensor_id": "of_sensor", "metric": "of_metric"}),
            pl.col("sensor_id") == pl.col("of_sensor"),
            pl.col("metric") == pl.col("of_metric"),
            pl.col("event_time") >= pl.col("started_at"),
            pl.col("event_time") <= pl.col("ended_at"),
        )
        .group_by(_ORDER)
        .agg(pl.col("score").max())
    )
    return found.join(scores, on=_ORDER, how="inner" if anomalies_only else "left")


def _chosen(chosen: Selection, days: Sequence[date]) -> list[pl.Expr]:
    named = {"sensor_id": chosen.sensor_id, "sensor_type": chosen.sensor_type, "metric": chosen.metric}
    return [
        pl.col("day").is_in(days),
        pl.col("event_time") >= (chosen.start or BEGINNING),
        pl.col("event_time") < (chosen.end or END),
        *(pl.col(column) == value for column, value in named.items() if value is not None),
    ]


def _is_after(after: Position) -> pl.Expr:
    event_time, sensor_id, metric = after
    same_time, same_sensor = pl.col("event_time") == event_time, pl.col("sensor_id") == sensor_id
    later_sensor = (pl.col("sensor_id") > sensor_id) | (same_sensor & (pl.col("metric") > metric))
    return (pl.col("event_time") > event_time) | (same_time & later_sensor)
