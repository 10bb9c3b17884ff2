"""A sensor's values over a span of time, thinned to what a chart can show."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from warehouse.pool import Connection

    Column = npt.NDArray[Any]

BUCKETS = 240
# What Postgres counts times from, in microseconds.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
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
    asked = (sensor_id, metric, start, end)
    columns = await _fetch(connection, _READINGS, *asked)
    if await asyncio.to_thread(_has_repeats, columns[0]):
        # Seldom: only then it matters which is the newer one.
        columns = await _fetch(connection, _READINGS | _POSITIONS, *asked)
    return await asyncio.to_thread(_drawn, columns, _since_epoch(start), _since_epoch(end))


async def _fetch(
    connection: Connection, kinds: dict[str, str], sensor_id: str, metric: str, start: datetime, end: datetime
) -> list[Column]:
    """These columns of the readings within the span."""
    # As bytes: the driver would make a Python object of each element.
    rows = await connection.fetch(
        f"""
        select {", ".join(f"array_send(c.{name}) as {name}" for name in kinds)}
        from series as s
        join reading_chunks as c using (series_id)
        where s.sensor_id = $1
            and s.metric = $2
            -- A chunk holds readings of one day.
            and c.t_min >= date_trunc('day', $3::timestamptz, 'UTC')
            and c.t_max >= $3
            and c.t_min <= $4
        order by c.t_min
        """,
        *(sensor_id, metric, start, end),
    )

    def within() -> list[Column]:
        times, *others = (_elements([row[name] for row in rows], kind) for name, kind in kinds.items())
        is_within = (times >= _since_epoch(start)) & (times <= _since_epoch(end))
        return [column[is_within] for column in (times, *others)]

    return await asyncio.to_thread(within)


def _elements(arrays: Sequence[bytes], kind: str) -> Column:
    element = np.dtype([("bytes", ">i4"), ("element", kind)])
    parts = [np.frombuffer(array, element, offset=_HEADER_BYTES)["element"] for array in arrays]
    return np.concatenate([np.empty(0, kind), *parts]).astype(np.dtype(kind).newbyteorder("="))


def _has_repeats(times: Column) -> bool:
    ordered = np.sort(times, kind="stable")
    return bool((ordered[1:] == ordered[:-1]).any())


def _drawn(columns: Sequence[Column], start: int, end: int) -> Curve:
    """The newest reading of each time, thinned, and how many others there were."""
    times, values, *positions = columns
    order = np.lexsort((*reversed(positions), times))
    times, values = times[order], values[order]
    is_again, is_same = times[1:] == times[:-1], values[1:] == values[:-1]
    is_newest = np.append(~is_again, True)[: len(times)]
    drawn_times, drawn_values = _thinned(times[is_newest], values[is_newest], start, end)
    repeated, revised = int((is_again & is_same).sum()), int((is_again & ~is_same).sum())
    return Curve(drawn_times, drawn_values, len(times), repeated, revised)


def _thinned(times: Column, values: Column, start: int, end: int) -> tuple[tuple[datetime, ...], tuple[float, ...]]:
    """Of each of BUCKETS the lowest and the highest; the times ascend."""
    bounds = np.searchsorted(times, np.linspace(start, end + 1, BUCKETS + 1, dtype=np.int64))
    extremes = {
        int(first + at)
        for first, after in pairwise(bounds)
        if first < after
        for at in (values[first:after].argmin(), values[first:after].argmax())
    }
    kept = sorted(extremes)
    return tuple(_EPOCH + int(at) * _US for at in times[kept]), tuple(values[kept].tolist())


def _since_epoch(at: datetime) -> int:
    return (at - _EPOCH) // _US
