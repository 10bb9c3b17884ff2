"""Readings at any times, as the evenly spaced points that the batch detector wants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Longer gaps are drawn as gaps of so many points: what a sensor does is not judged by when it was switched off.
LONGEST_GAP = 50


@dataclass(frozen=True)
class Grid:
    """`values[at[i]]` is the mean of the readings in the point of reading `i`; nan where there are none.

    Points are `step` microseconds apart.
    """

    values: Floats
    at: Ints
    step: float


def lay(times: Ints, values: Floats) -> Grid:
    """Readings in order of time on points as far apart as most readings are.

    The step is the median of the intervals, so that a few gaps or bursts don't change it.
    """
    intervals = np.diff(times)
    positive = intervals[intervals > 0]
    if not len(positive):
        return Grid(values[:1].copy(), np.zeros(len(times), np.int64), 0.0)
    step = float(np.median(positive))
    passed = np.concatenate(([0.0], np.cumsum(np.minimum(intervals, LONGEST_GAP * step))))
    at = np.rint(passed / step).astype(np.int64)
    count = np.bincount(at)
    with np.errstate(invalid="ignore"):
        return Grid(np.bincount(at, weights=values) / count, at, step)
