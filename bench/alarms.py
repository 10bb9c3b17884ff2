"""False alarms a sensor-day outside of labelled windows, and how soon a window is told: the detector as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.episodes import Told
from bench.nab import Series

_DAY_S, _HOUR_S = 86_400, 3_600


@dataclass(frozen=True)
class Alarms:
    """Of a series: days judged outside of its windows, episodes begun there, and of each window its delay.

    A delay is in readings and hours from the window's start to the first episode that begins in it; None: none does.
    """

    folder: str
    days: float
    false: int
    delays: Sequence[tuple[int, float] | None]


def alarms(series: Series, told: Told) -> Alarms:
    """What was told of a series, held against its labels.

    A day is as many readings as the typical interval makes of it: gaps are no days without a false alarm.
    """
    begins = np.array([one.at for one in told.episodes], np.int64)
    interval_s = float(np.median(np.diff(series.times))) / 1e6
    outside = series.window < 0
    delays: list[tuple[int, float] | None] = []
    for window in np.unique(series.window[~outside]):
        start = int(np.argmax(series.window == window))
        inside = begins[series.window[begins] == window]
        took = [(int(at - start), float(series.times[at] - series.times[start]) / 1e6 / _HOUR_S) for at in inside]
        delays.append(min(took, default=None))
    days = float((told.is_judged & outside).sum()) * interval_s / _DAY_S
    return Alarms(series.name.partition("/")[0], days, int(outside[begins].sum()), delays)
