"""From scores to spans: above which score a sensor is abnormal, and from where to where it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Scores above these quantiles of a sensor's past are the tail that its threshold is drawn from: the first that has
# enough peaks.
_TAILS = (0.98, 0.9)
# So many peaks say how high rarer ones are. Fewer do only by the highest, and after some days.
_ENOUGH_PEAKS = 4
_FEWEST_DAYS = 2.0


@dataclass(frozen=True)
class Span:
    """Positions in a series: from `start` to `end`, both included; `peak` is where it is most abnormal."""

    start: int
    peak: int
    end: int


def alarm_threshold(scores: Floats, days: float, *, per_day: float, gap: int) -> float:
    """The score above which a sensor as it was in the past would raise `per_day` alarms a day.

    `scores` are of a past of so many `days`, float64[n]; nan is not judged. Peaks more than `gap` points apart count as
    alarms of their own. The tail is taken as exponential: peaks over threshold with shape zero, as in Siffer et al.,
    Anomaly Detection in Streams with Extreme Value Theory (2017). Its scale is drawn from the median excess, because
    the past may hold anomalies; from the highest, where peaks are few. Nan when the past is too short, or too even,
    to say.
    """
    judged = scores[np.isfinite(scores)]
    if len(judged) < 2 or days <= 0:
        return np.nan
    tail, excess = np.nan, np.empty(0)
    for share in _TAILS:
        tail = float(np.quantile(judged, share))
        excess = np.array([scores[span.peak] for span in spans(scores, tail, gap=gap)]) - tail
        if len(excess) >= _ENOUGH_PEAKS:
            break
    if len(excess) >= _ENOUGH_PEAKS:
        scale = float(np.median(excess)) / float(np.log(2))
    elif len(excess) and days >= _FEWEST_DAYS:
        scale = float(excess.max())
    else:
        return np.nan
    return tail + scale * float(np.log(max(len(excess) / days / per_day, 1.0)))


def spans(scores: Floats, threshold: float, *, gap: int) -> list[Span]:
    """Where scores are above a threshold; two such places that are at most `gap` points apart are one."""
    above = np.flatnonzero(scores > threshold)
    if not len(above):
        return []
    groups = np.split(above, np.flatnonzero(np.diff(above) > gap + 1) + 1)
    return [Span(int(group[0]), int(group[np.argmax(scores[group])]), int(group[-1])) for group in groups]
