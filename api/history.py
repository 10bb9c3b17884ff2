"""Readings and statistics over all time: recent event days out of the warehouse, older ones out of the lake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import partial
from math import sqrt
from typing import TypeVar

import polars as pl
from anyio import to_thread

from api.context import Services
from sensors_io import cold
from warehouse import readings
from warehouse.hot import first_hot_day
from warehouse.pool import connected
from warehouse.readings import BEGINNING, END, STAGED, Position, Row, Selection

T = TypeVar("T")
Pair = tuple[str, str]


def _boundary(services: Services) -> datetime:
    """The first moment whose readings the warehouse has for sure; older ones are asked of the lake."""
    return datetime.combine(first_hot_day(services.settings.hot_days, datetime.now(UTC)), time(), UTC)


async def page(
    services: Services, chosen: Selection, *, anomalies_only: bool, after: Position | None, limit: int
) -> pl.DataFrame:
    """The oldest readings first, at most `limit`, as STAGED; `after` is the last of the page before."""
    boundary = _boundary(services)
    low = max(chosen.start or BEGINNING, after[0] if after else BEGINNING)
    found = STAGED.to_frame()
    if low < boundary:
        old = replace(chosen, start=low, end=min(chosen.end or END, boundary))
        if days := await _days(services, old):
            read = partial(cold.page, anomalies_only=anomalies_only, after=after, limit=limit)
            found = await _of_lake(services, partial(read, services.lake, old, days))
    if found.height < limit and (chosen.end or END) > boundary:
        new = replace(chosen, start=max(chosen.start or BEGINNING, boundary))
        at = after if after and after[0] >= boundary else None
        missing = limit - found.height
        async with connected(services.pool) as connection:
            recent = await readings.page(connection, new, anomalies_only=anomalies_only, after=at, limit=missing)
        found = pl.concat([found, recent]) if found.height else recent
    return found


async def statistics(
    services: Services, chosen: Selection, *, after: Pair | None, limit: int
) -> tuple[list[Row], Pair | None]:
    """Per sensor, metric and unit: count, mean, min, max, std (of the sample), last and last_at; and where to go on."""
    boundary = _boundary(services)
    old = replace(chosen, start=chosen.start or BEGINNING, end=min(chosen.end or END, boundary))
    days = await _days(services, old)
    new = replace(chosen, start=max(chosen.start or BEGINNING, boundary))
    async with connected(services.pool) as connection:
        hot, hot_last = await readings.statistics(connection, new, after=after, limit=limit)
    if not days:
        return hot, hot_last
    found, cold_last = await _of_lake(
        services, partial(cold.statistics, services.lake, old, days, after=after, limit=limit)
    )
    return first_pairs(united(hot, found), [last for last in (hot_last, cold_last) if last], limit=limit)


def first_pairs(rows: list[Row], ends: list[Pair], *, limit: int) -> tuple[list[Row], Pair | None]:
    """The rows of the first `limit` sensors and metrics, none past an end that one of the sources stopped at."""
    known = min(ends, default=None)
    pairs = sorted({_pair(row) for row in rows if known is None or _pair(row) <= known})
    here = set(pairs[:limit])
    last = pairs[limit - 1] if len(pairs) > limit else known
    return [row for row in rows if _pair(row) in here], last


def united(hot: list[Row], old: list[Row]) -> list[Row]:
    """Statistics of disjoint readings put together, by sensor, metric, unit and type."""
    rows: dict[tuple[str, ...], Row] = {}
    for row in (*old, *hot):
        key = (row["sensor_id"], row["metric"], row["unit"], row["sensor_type"])
        rows[key] = _sum(rows[key], row) if key in rows else row
    return [row for _, row in sorted(rows.items())]


def _sum(one: Row, other: Row) -> Row:
    """Of two disjoint sets of readings as one (Chan, Golub, LeVeque 1979)."""
    count = one["count"] + other["count"]
    apart = other["mean"] - one["mean"]
    squares = sum((row["std"] or 0.0) ** 2 * (row["count"] - 1) for row in (one, other))
    squares += apart**2 * one["count"] * other["count"] / count
    newer = max(one, other, key=lambda row: row["last_at"])
    return {
        **one,
        "count": count,
        "mean": one["mean"] + apart * other["count"] / count,
        "min": min(one["min"], other["min"]),
        "max": max(one["max"], other["max"]),
        "std": sqrt(squares / (count - 1)),
        "last": newer["last"],
        "last_at": newer["last_at"],
    }


def _pair(row: Row) -> Pair:
    return row["sensor_id"], row["metric"]


async def _days(services: Services, chosen: Selection) -> list[date]:
    if (chosen.start or BEGINNING) >= (chosen.end or END):
        return []
    async with connected(services.pool) as connection:
        return await readings.staged_days(connection, chosen)


async def _of_lake(services: Services, read: Callable[[], T]) -> T:
    """What a blocking read of the lake finds; few at a time, since each takes what memory and cores it gets."""
    return await to_thread.run_sync(read, limiter=services.reading_lake)
