"""A sensor's values over a span of time, thinned to what a chart can show."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from warehouse.pool import Connection

BUCKETS = 240
_TIME = pl.Datetime("us", "UTC")
# What Postgres counts times from, in microseconds of 1970's.
_EPOCH_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
# Dimensions, flags, type, length and lower bound: what comes before the elements of an array that Postgres sends.
_HEADER_BYTES = 20
_READINGS = {"event_times": ">i8", "readings": ">f8"}
# Which of two readings of the same time is the newer one.
_POSITIONS = {"ingested_ats": ">i8", "offsets": ">i8", "indexes": ">i4"}


@dataclass(frozen=True)
class Curve:
    """A sensor's staged values, of each bucket the lowest and the highest; how many raw `readings` there were.

    Of these, `repeated` have the value that the one of the same time before them had, and `revised` another one.
    """

    times: tuple[datetime, ...]
    values: tuple[float, ...]
    readings: int = 0
    repeated: int = 0
    revised: int = 0


async def curve(connection: Connection, sensor_id: str, metric: str, start: datetime, end: datetime) -> Curve:
    """The sensor's values from `start` to `end`, both included."""
    selection = (sensor_id, metric, start, end)
    readings = await _fetch(connection, _READINGS, *selection)
    times = readings.get_column("event_times")
    if times.n_unique() == times.len():
        return await asyncio.to_thread(_thinned, readings, start, end)
    # Seldom: then it matters which is the newer one.
    readings = await _fetch(connection, _READINGS | _POSITIONS, *selection)
    return await asyncio.to_thread(_staged, readings, start, end)


async def _fetch(
    connection: Connection, columns: dict[str, str], sensor_id: str, metric: str, start: datetime, end: datetime
) -> pl.DataFrame:
    """The readings of the chunks that reach into the span, as these columns."""
    # As bytes: the driver would make a Python object of each element.
    rows = await connection.fetch(
        f"""
        select {", ".join(f"array_send(c.{name}) as {name}" for name in columns)}
        from series as s
        join reading_chunks as c using (series_id)
        where s.sensor_id = $1
            and s.metric = $2
            -- A chunk holds readings of one day.
            and c.t_min >= date_trunc('day', $3::timestamptz, 'UTC')
            and c.t_max >= $3
            and c.t_min <= $4
        """,
        *(sensor_id, metric, start, end),
    )
    return await asyncio.to_thread(
        lambda: (
            pl.DataFrame({name: _elements([row[name] for row in rows], kind) for name, kind in columns.items()})
            .with_columns((pl.col("event_times") + _EPOCH_US).cast(_TIME))
            .filter(pl.col("event_times").is_between(start, end))
        )
    )


def _elements(arrays: Sequence[bytes], kind: str) -> pl.Series:
    element = np.dtype([("bytes", ">i4"), ("element", kind)])
    parts = [np.frombuffer(array, element, offset=_HEADER_BYTES)["element"] for array in arrays]
    native = np.dtype(kind).newbyteorder("=")
    return pl.Series(np.concatenate(parts).astype(native) if parts else np.empty(0, native))


def _staged(readings: pl.DataFrame, start: datetime, end: datetime) -> Curve:
    """The newest of each time, and how many others there were."""
    ordered = readings.sort("event_times", *_POSITIONS)
    is_again = pl.col("event_times") == pl.col("event_times").shift(1)
    is_same = pl.col("readings") == pl.col("readings").shift(1)
    counted = ordered.select(repeated=(is_again & is_same).sum(), revised=(is_again & ~is_same).sum())
    newest = ordered.filter((pl.col("event_times") != pl.col("event_times").shift(-1)).fill_null(True))
    thinned = _thinned(newest, start, end)
    return Curve(thinned.times, thinned.values, readings.height, *map(int, counted.row(0)))


def _thinned(readings: pl.DataFrame, start: datetime, end: datetime) -> Curve:
    """Of each of BUCKETS the lowest and the highest, in the order of time."""
    width_us = max((end - start) // BUCKETS // timedelta(microseconds=1), 1)
    bucket = (pl.col("event_times") - start).dt.total_microseconds() // width_us
    both = pl.col("event_times", "readings")
    lowest, highest = both.get(pl.col("readings").arg_min()), both.get(pl.col("readings").arg_max())
    low = readings.lazy().group_by(bucket.alias("bucket")).agg(lowest)
    high = readings.lazy().group_by(bucket.alias("bucket")).agg(highest)
    points = pl.concat(pl.collect_all([low, high])).unique().sort("event_times")
    return Curve(tuple(points.get_column("event_times")), tuple(points.get_column("readings")), readings.height)
