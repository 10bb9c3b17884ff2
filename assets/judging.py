"""Partition keys judged in depth: each sensor's day held against its own past, into lake and warehouse."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import polars as pl

from assets import drawing
from assets.detectors import in_depth
from assets.drawing import Picture
from assets.partition_keys import Key, commits
from assets.series import SERIES, Changed, Series, by_series, changed, microseconds, read
from assets.staging import days_of_type
from assets.verdicts import EXAMINED, merged
from sensorhouse.settings import Settings
from sensors_io.lake import Lake
from warehouse import judged, locks
from warehouse.database import connect
from warehouse.judged import EPISODES, Known
from warehouse.locks import Lock

# What is drawn: so much time before and after an episode, as it is long, and six hours at least.
_LEAST_MARGIN_US = 6 * 3_600_000_000
_BUCKETS = 150
# Of the method: with another one, everything is judged anew.
_VERSION = 2
_FOUND = {
    "row": pl.Int64(),
    "kind": pl.String(),
    **dict.fromkeys(("started_at", "peak_at", "ended_at"), pl.Int64()),
    "readings": pl.Int32(),
    "peak_score": pl.Float64(),
    "peak_value": pl.Float64(),
}
_EXAMINED = dict.fromkeys(("row", "first", "last", "near"), pl.Int64())


@dataclass(frozen=True)
class Judged:
    """What one partition key came to.

    Of its `series` (sensor, metric and unit), those `examined` had changed since they were judged last, and of these
    the `calibrated` have enough past. `episodes` (EPISODES) are all of the key's, of both tiers; the `picture` shows
    the worst.
    """

    key: Key
    series: int
    examined: int
    calibrated: int
    episodes: pl.DataFrame
    picture: Picture | None


@dataclass(frozen=True)
class _Outcome:
    """Of one series and day, rows of _FOUND and one of _EXAMINED."""

    found: Sequence[tuple[object, ...]]
    examined: tuple[int, int | None, int | None, int | None]


def judge_keys(settings: Settings, lake: Lake, keys: Sequence[Key], *, anew: bool = False) -> Iterator[Judged]:
    """Judge these partition keys: the series that changed, or whose past did, and with `anew` all of them.

    Their episodes take the place of those found before, and settle what the online detector noticed. Done twice, or
    killed and done again, it leaves the same.
    """
    lake.create("episodes", EPISODES, partition_by=["day", "sensor_type"])
    for sensor_type, type_days in commits(keys):
        yield from _judge_days(settings, lake, sensor_type, type_days, anew=anew)


def _judge_days(
    settings: Settings, lake: Lake, sensor_type: str, type_days: Sequence[date], *, anew: bool
) -> Iterator[Judged]:
    with connect(settings.database_url) as connection:
        locks.wait_for(connection, Lock.STAGING, sensor_type)
        at = judged.clock(connection)
        readings = read(lake, sensor_type, type_days)
        known = {} if anew else {one.day: one.series for one in judged.known(connection, sensor_type, type_days)}
        changes = dict(zip(type_days, changed(readings, type_days, known, seed=_VERSION), strict=True))
        before = judged.episodes(connection, sensor_type, type_days)
        series = by_series(readings)
        outcomes = _outcomes(series, changes, settings.anomaly_alarms_per_day)
        after = {}
        for day, (found, examined) in outcomes.items():
            of_day = before.filter(pl.col("day") == day)
            after[day] = merged(of_day, _episodes(found, Key(sensor_type, day), at), examined, at)
        episodes = pl.concat([EPISODES.to_frame(), *after.values()])
        if not episodes.equals(before):
            lake.replace("episodes", episodes, where=days_of_type(sensor_type, type_days))
        remembered = [Known(day, change.numbers) for day, change in changes.items()]
        judged.replace(connection, episodes, sensor_type=sensor_type, known=remembered, judged_at=at)
    for day, (_, examined) in outcomes.items():
        calibrated, picture = examined.drop_nulls().height, _pictured(series, day, after[day])
        yield Judged(Key(sensor_type, day), len(changes[day].numbers), examined.height, calibrated, after[day], picture)


def _outcomes(
    series: Series, changes: dict[date, Changed], per_day: float
) -> dict[date, tuple[pl.DataFrame, pl.DataFrame]]:
    """By day, what was found in the series that changed (_FOUND's columns with SERIES), and these as EXAMINED."""
    tasks = [(row, day) for day, change in changes.items() for row in change.rows]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        # The detector lets go of the interpreter while it computes.
        done = dict(zip(tasks, threads.map(lambda task: _outcome(series, *task, per_day=per_day), tasks), strict=True))
    outcomes = {}
    for day, change in changes.items():
        parts = [done[row, day] for row in change.rows]
        found = pl.DataFrame([row for part in parts for row in part.found], _FOUND, orient="row")
        examined = pl.DataFrame([part.examined for part in parts], _EXAMINED, orient="row")
        outcomes[day] = (
            found.join(series.names, on="row").sort("started_at", *SERIES),
            examined.join(series.names, on="row").select(pl.col(name).cast(kind) for name, kind in EXAMINED.items()),
        )
    return outcomes


def _outcome(series: Series, row: int, day: date, *, per_day: float) -> _Outcome:
    times, values = series.of(row, day)
    since = microseconds(day)
    outcome = in_depth.judge(times, values, since, per_day=per_day)
    if outcome is None:
        return _Outcome([], (row, None, None, None))
    found = [
        (
            *(row, one.kind.value, times[one.start], times[one.peak], times[one.end]),
            *(one.end - one.start + 1, one.score, values[one.peak]),
        )
        for one in outcome.found
    ]
    return _Outcome(found, (row, int(times[np.searchsorted(times, since)]), int(times[-1]), outcome.near))


def _episodes(found: pl.DataFrame, key: Key, at: datetime) -> pl.DataFrame:
    """What was found in a key, as EPISODES without a name yet."""
    constants = {"sensor_type": key.sensor_type, "day": key.day, "tier": "batch", "noticed_at": at}
    nothing = ("episode_id", "verdict", "settled_by", "settled_at")
    told = found.with_columns(
        *(pl.lit(value).alias(name) for name, value in constants.items()),
        *(pl.lit(None).alias(name) for name in nothing),
    )
    return told.select(pl.col(name).cast(kind) for name, kind in EPISODES.items())


def _pictured(series: Series, day: date, episodes: pl.DataFrame) -> Picture | None:
    """The worst of a day's batch episodes on its sensor's curve."""
    worst = episodes.filter(pl.col("tier") == "batch").top_k(1, by="peak_score").join(series.names, on=SERIES)
    if not worst.height:
        return None
    (one,) = worst.with_columns(pl.col("started_at", "ended_at").to_physical()).to_dicts()
    times, values = series.of(one["row"], day)
    margin = max(_LEAST_MARGIN_US, one["ended_at"] - one["started_at"])
    within = slice(*np.searchsorted(times, (one["started_at"] - margin, one["ended_at"] + margin)))
    times, values = drawing.thinned(times[within], values[within], _BUCKETS)
    text = f"{one['sensor_id']}, {one['metric']} in {one['unit']}, {values.min():g} to {values.max():g}: {one['kind']}"
    return Picture(drawing.svg(times, values, one["started_at"], one["ended_at"]), text)
