"""NAB judged day by day, as the anomalies asset does: false alarms for a wanted rate, and windows that are met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assets.detectors.in_depth import US_PER_DAY, judge
from assets.series import PAST
from bench.nab import Series

WANTED = (0.05, 0.2)


@dataclass(frozen=True)
class Days:
    """For so many alarms `wanted` a day: days that were judged and not, and episodes that meet no labelled window."""

    wanted: float
    judged: int
    not_judged: int
    false: int
    windows: int
    met: int


def days_in_depth(corpus: Sequence[Series], wanted: float) -> Days:
    """Each day of each series held against its own past."""
    judged = not_judged = false = windows = met = 0
    for series in corpus:
        # As staged: in order, one reading a time.
        times, rows = np.unique(series.times, return_index=True)
        values, window = series.values[rows], series.window[rows]
        seen: set[int] = set()
        for day in range(int(times[0] // US_PER_DAY), int(times[-1] // US_PER_DAY) + 1):
            first, end = np.searchsorted(times, ((day - PAST.days) * US_PER_DAY, (day + 1) * US_PER_DAY))
            outcome = judge(times[first:end], values[first:end], day * US_PER_DAY, per_day=wanted)
            if outcome is None:
                not_judged += 1
                continue
            judged += 1
            for one in outcome.found:
                inside = window[first + one.start : first + one.end + 1]
                hit = set(inside[inside >= 0].tolist())
                seen |= hit
                false += not hit
        windows += len(np.unique(window[window >= 0]))
        met += len(seen)
    return Days(wanted, judged, not_judged, false, windows, met)
