"""What the online detector tells of series at its own threshold, as the episodes that a drain would store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.detectors.online import step
from assets.detectors.online_settings import Kind
from assets.detectors.online_state import State
from assets.watching import incidents
from warehouse.watching import WATCHED

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Episode:
    """Its kind as episodes name it, and which reading of its series began it."""

    kind: str
    at: int


@dataclass(frozen=True)
class Told:
    """The episodes of one series, in order, and which of its readings were judged at all."""

    episodes: Sequence[Episode]
    is_judged: npt.NDArray[np.bool_]


def tell(times: Sequence[Ints], values: Sequence[Floats], before: State | None = None) -> list[Told]:
    """What is told of each series; `before`: what is remembered of them, by their place among these."""
    lengths = [len(of_one) for of_one in times]
    series, event_time = np.repeat(np.arange(len(times)), lengths), np.concatenate(times)
    _, found = step(before or State.empty(), series, event_time, np.concatenate(values))
    columns = {"series_id": series, "event_time": event_time, "value": np.concatenate(values)}
    readings = pl.DataFrame(columns).cast(WATCHED)
    # An incident that began before these readings is none of theirs.
    began = incidents(readings, found).filter("is_new").sort("series_id", "started_at")
    starts = np.concatenate(([0], np.cumsum(lengths)))
    episodes: list[list[Episode]] = [[] for _ in lengths]
    for one, kind, started in began.select("series_id", "kind", pl.col("started_at").to_physical()).iter_rows():
        # A series whose clock was set back has instants twice; the first is the one that was judged.
        at = int(np.flatnonzero(event_time[starts[one] : starts[one + 1]] == started)[0])
        episodes[one].append(Episode(kind, at))
    judged = np.split(found.kind >= Kind.NORMAL, starts[1:-1])
    return [Told(of_one, is_judged) for of_one, is_judged in zip(episodes, judged, strict=True)]
