"""Staged readings by series, each with its past, and which series have changed since they were judged last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from sensors_io.lake import Lake

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint64]

SERIES = ("sensor_id", "metric", "unit")
# The past that a day is held against.
PAST = timedelta(days=14)


@dataclass(frozen=True)
class Series:
    """Readings by series, in order of time: those of row `i` of `names` lie from `starts[i]` up to `starts[i + 1]`."""

    names: pl.DataFrame
    starts: Ints
    times: Ints
    values: npt.NDArray[np.float64]

    def of(self, row: int, day: date) -> tuple[Ints, npt.NDArray[np.float64]]:
        """A series' times, in microseconds, and values: those of a day and its past."""
        mine = slice(*self.starts[row : row + 2])
        times = self.times[mine]
        within = slice(*np.searchsorted(times, (microseconds(day - PAST), microseconds(day + timedelta(days=1)))))
        return times[within], self.values[mine][within]


@dataclass(frozen=True)
class Changed:
    """A day's series that are not as they were: rows of `Series.names`; `numbers` stand for all of the day's series."""

    rows: list[int]
    numbers: Numbers


def microseconds(day: date) -> int:
    """The day's beginning, UTC, as event times are written."""
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000


def read(lake: Lake, sensor_type: str, days: Sequence[date]) -> pl.DataFrame:
    """The staged readings of these days and their past, in order of series and time; `row` numbers the series."""
    wanted = {day - timedelta(days=ago) for day in days for ago in range(PAST.days + 1)}
    return (
        lake.scan("readings")
        .filter(pl.col("sensor_type") == sensor_type, pl.col("day").is_in(sorted(wanted)))
        .select(*SERIES, "event_time", "day", "value")
        .sort(*SERIES, "event_time")
        .collect()
        .with_columns(row=pl.struct(SERIES).rle_id().cast(pl.Int64))
    )


def by_series(readings: pl.DataFrame) -> Series:
    """Readings as `read` gives them, as arrays."""
    rows = readings.get_column("row").to_numpy()
    starts = np.flatnonzero(np.diff(rows, prepend=np.int64(-1), append=np.int64(-1)))
    return Series(
        readings.select("row", *SERIES)[starts[:-1]],
        starts,
        readings.get_column("event_time").to_physical().to_numpy(),
        readings.get_column("value").to_numpy(),
    )


def changed(readings: pl.DataFrame, days: Sequence[date], known: Mapping[date, Numbers], seed: int) -> list[Changed]:
    """Per day the series of which the readings, that day's or the past's, have a number that is not `known`.

    Another `seed` gives other numbers.
    """
    by_day = readings.group_by("row", "day").agg(number=pl.struct(*SERIES, "event_time", "value").hash(seed=seed).sum())
    found = []
    for day in days:
        numbers = (
            by_day.filter(pl.col("day").is_between(day - PAST, day))
            .group_by("row")
            .agg(pl.col("number").sum(), is_there=(pl.col("day") == day).any())
            .filter("is_there")
            .sort("row")
        )
        every = numbers.get_column("number").to_numpy()
        is_new = ~np.isin(every, known.get(day, every[:0]))
        found.append(Changed(numbers.get_column("row").to_numpy()[is_new].tolist(), np.sort(every)))
    return found
