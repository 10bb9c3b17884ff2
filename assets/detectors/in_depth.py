"""One series judged in depth: what is abnormal in its newest stretch, by its own past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.detectors.batch import score
from assets.detectors.grid import LONGEST_GAP, lay
from assets.detectors.kinds import Kind, described
from assets.detectors.spans import Span, alarm_threshold, spans

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

US_PER_DAY = 86_400_000_000
# Of a longer past, the newest readings: two days of one a second.
MOST_PAST = 200_000
# Two alarms closer than this are one: the batch detector's shortest window.
_GAP = 40
# Of an episode's highest score, what its ends must have.
_SHARE = 0.25
# A gap of so many points or more is bridged by a line that looks odd itself.
_BRIDGE = LONGEST_GAP // 2
# The batch detector's longest windows are four times its shortest.
_REACH = 4 * _GAP


@dataclass(frozen=True)
class Abnormal:
    """A span of readings by their positions, both ends included.

    `score` is how many times as far out as the series' own threshold the peak is.
    """

    kind: Kind
    start: int
    peak: int
    end: int
    score: float


@dataclass(frozen=True)
class Judged:
    """What was found, and `near`: how many microseconds apart two findings may be and still be of one event."""

    found: tuple[Abnormal, ...]
    near: int


def judge(times: Ints, values: Floats, since: int, *, per_day: float) -> Judged | None:
    """What is abnormal among the readings from `since` on, by those before.

    `times` are microseconds in order, int64[n], `values` float64[n]. The threshold is the one that the series' past
    would have passed `per_day` times a day. None where the past is too short, or too even, to say.
    """
    past = int(np.searchsorted(times, since))
    dropped = max(0, past - MOST_PAST)
    times, values, past = times[dropped:], values[dropped:], past - dropped
    if not 0 < past < len(times):
        return None
    grid = lay(times, values)
    first = int(grid.at[past])
    scores = score(grid.values, 0, first)
    missing = np.isnan(grid.values)
    scores[missing] = np.nan
    days = (times[past - 1] - times[0]) / US_PER_DAY
    threshold = alarm_threshold(scores[:first], days, per_day=per_day, gap=_GAP)
    if not threshold > 0:
        return None
    scores[:first] = np.nan
    found = []
    for span in spans(scores, threshold, gap=_GAP):
        kind, told = described(grid.values, _core(scores, span))
        if kind is not Kind.SPIKE and _is_of_gap(missing, span):
            continue
        start, end = _readings(grid.at, told.start, told.end)
        start, peak = max(start, past), _extreme(values, grid.at, told.peak, past)
        # The batch detector's scores are distances to the third power, where they are high.
        relative = float(np.cbrt(scores[span.peak] / threshold))
        found.append(Abnormal(kind, dropped + start, dropped + peak, dropped + end - 1, relative))
    return Judged(tuple(found), round(_GAP * grid.step))


def _core(scores: Floats, span: Span) -> Span:
    """The part of a span that is not only there because the detector's windows reach beyond what they see."""
    high = span.start + np.flatnonzero(scores[span.start : span.end + 1] >= _SHARE * scores[span.peak])
    return Span(int(high[0]), span.peak, int(high[-1]))


def _readings(at: Ints, first: int, last: int) -> tuple[int, int]:
    """The readings in these points of a grid: from the one up to the other."""
    return int(np.searchsorted(at, first)), int(np.searchsorted(at, last, "right"))


def _extreme(values: Floats, at: Ints, point: int, past: int) -> int:
    """Of the readings in a point of the grid, the one farthest from those before."""
    first, end = _readings(at, point, point)
    first = max(first, past)
    usual = np.median(values[max(0, first - _GAP) : first])
    return first + int(np.argmax(np.abs(values[first:end] - usual)))


def _is_of_gap(missing: npt.NDArray[np.bool_], span: Span) -> bool:
    """Whether a span lies where the detector's windows reach into a gap, which is bridged by a line."""
    first = max(0, span.start - _GAP)
    around = missing[first : span.end + _GAP + 1]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], around, [False]))))
    ends = first + edges[1::2][edges[1::2] - edges[::2] >= _BRIDGE]
    return bool(len(ends)) and span.end - int(ends[-1]) <= _REACH
