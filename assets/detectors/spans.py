"""From scores to spans: above which score a sensor is abnormal, and from where to where it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# The past is cut into so many stretches or more, each as long as an alarm's surroundings where there is enough of it.
_STRETCHES = 12
# A shorter past has not seen what is usual at each hour.
_FEWEST_DAYS = 1.0
# The quantiles of the stretches' highest scores that the threshold is drawn from: a fifth of them may be anomalies.
_QUANTILES = (0.5, 0.8)


@dataclass(frozen=True)
class Span:
    """Positions in a series: from `start` to `end`, both included; `peak` is where it is most abnormal."""

    start: int
    peak: int
    end: int


def alarm_threshold(scores: Floats, days: float, *, per_day: float, gap: int) -> float:
    """The score above which a sensor as it was in the past would raise `per_day` alarms a day.

    `scores` are of a past of so many `days`, float64[n]; nan is not judged. Alarms at most `gap` points apart are one.
    The highest scores of stretches of `gap` points are taken to follow a Gumbel distribution, as block maxima do
    (Gumbel, Statistics of Extremes, 1958); their cube roots, because the batch detector's scores are distances to the
    third power where they are high. Nan when the past is too short, or too even, to say.
    """
    length = min(gap, len(scores) // _STRETCHES)
    if length < 2 or days < _FEWEST_DAYS:
        return np.nan
    stretches = scores[len(scores) % length :].reshape(-1, length)
    highest = np.cbrt(np.where(np.isfinite(stretches), stretches, -1.0).max(axis=1))
    highest = highest[highest >= 0]
    if len(highest) < _STRETCHES // 2:
        return np.nan
    low, high = np.quantile(highest, _QUANTILES)
    if not high > low:
        return np.nan
    scale = (high - low) / (_gumbel(_QUANTILES[1]) - _gumbel(_QUANTILES[0]))
    wanted = min(per_day * days / len(highest), 0.5)
    return float((low + scale * (_gumbel(1 - wanted) - _gumbel(_QUANTILES[0]))) ** 3)


def _gumbel(share: float) -> float:
    """What that share of a standard Gumbel distribution lies below."""
    return -math.log(-math.log(share))


def spans(scores: Floats, threshold: float, *, gap: int) -> list[Span]:
    """Where scores are above a threshold; two such places that are at most `gap` points apart are one."""
    above = np.flatnonzero(scores > threshold)
    if not len(above):
        return []
    groups = np.split(above, np.flatnonzero(np.diff(above) > gap + 1) + 1)
    return [Span(int(group[0]), int(group[np.argmax(scores[group])]), int(group[-1])) for group in groups]
