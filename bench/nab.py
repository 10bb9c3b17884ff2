"""The Numenta Anomaly Benchmark: its series and labels, and its score for alarms that come early in a labelled window.

Lavin and Ahmad, Evaluating Real-Time Anomaly Detection Algorithms (2015), version 1.1: one threshold for the whole
corpus, a sigmoid that rewards the first alarm of a window by how early it is and charges those outside, three profiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
import numpy.typing as npt

from bench.nab_file import Recording

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Profile:
    """What a window found, an alarm outside and a window missed count."""

    found: float
    outside: float
    missed: float


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward_low_FP_rate": Profile(1.0, 0.22, 1.0),
    "reward_low_FN_rate": Profile(1.0, 0.11, 2.0),
}
# The first readings of a series, which nobody is asked about: 15 % of it, of 5,000 readings at most.
_PROBATION, _PROBATION_OF = 0.15, 5000


@dataclass(frozen=True)
class Series:
    """A file of the corpus; times in microseconds.

    `window` numbers the labelled window that a reading is in, -1 outside. `weight` is what an alarm there is worth in
    the window, or costs outside, before the profile's factor. `is_asked` leaves the probation out.
    """

    name: str
    times: Ints
    values: Floats
    window: Ints
    weight: Floats
    is_asked: npt.NDArray[np.bool_]


def corpus(recordings: Sequence[Recording]) -> list[Series]:
    """The recordings with what their labels make of them."""
    found, first = [], 0
    for one in recordings:
        found.append(_series(one, first))
        first += len(one.windows)
    return found


def scores(series: Sequence[Series], told: Sequence[Floats]) -> dict[str, tuple[float, float]]:
    """By profile, the score from 0 (no alarm ever) to 100 with the best single threshold, and that threshold."""
    return {name: _best(series, told, profile) for name, profile in PROFILES.items()}


def held_out(series: Sequence[Series], told: Sequence[Floats], profile: str) -> float:
    """The mean of two halves of the files, each scored with the threshold that is best for the other."""
    halves = [(series[start::2], told[start::2]) for start in (0, 1)]
    thresholds = [_best(of_half, scored, PROFILES[profile])[1] for of_half, scored in halves]
    return mean(
        score_at(of_half, scored, PROFILES[profile], threshold)
        for (of_half, scored), threshold in zip(halves, reversed(thresholds), strict=True)
    )


def score_at(series: Sequence[Series], told: Sequence[Floats], profile: Profile, threshold: float) -> float:
    """The score with a given threshold: alarms are where `told` is as high."""
    gained, windows = 0.0, 0
    for one, of_one in zip(series, told, strict=True):
        alarms = one.is_asked & (of_one >= threshold)
        outside = alarms & (one.window < 0)
        gained += profile.outside * float(one.weight[outside].sum())
        for window in np.unique(one.window[one.is_asked & (one.window >= 0)]):
            hits = one.weight[alarms & (one.window == window)]
            gained += profile.found * float(hits.max()) if len(hits) else -profile.missed
            windows += 1
    return _scaled(gained, windows, profile)


def _best(series: Sequence[Series], told: Sequence[Floats], profile: Profile) -> tuple[float, float]:
    asked = [one.is_asked for one in series]
    value = np.concatenate([of_one[keep] for of_one, keep in zip(told, asked, strict=True)])
    weight = np.concatenate([one.weight[keep] for one, keep in zip(series, asked, strict=True)])
    window = np.concatenate([one.window[keep] for one, keep in zip(series, asked, strict=True)])
    order = np.argsort(-value, kind="stable")
    value, weight, window = value[order], weight[order], window[order]
    # What each reading adds when the threshold has come down to it.
    added = np.where(window < 0, weight * profile.outside, 0.0)
    best: dict[int, float] = {}
    for row in np.flatnonzero(window >= 0):
        worth, before = weight[row] * profile.found, best.get(int(window[row]), -profile.missed)
        if worth > before:
            added[row], best[int(window[row])] = worth - before, worth
    windows = len(np.unique(window[window >= 0]))
    gained = np.cumsum(added) - profile.missed * windows
    is_last = np.concatenate((value[1:] != value[:-1], [True]))
    candidates = np.concatenate(([-profile.missed * windows], gained[is_last]))
    thresholds = np.concatenate(([np.inf], value[is_last]))
    chosen = int(np.argmax(candidates))
    return _scaled(float(candidates[chosen]), windows, profile), float(thresholds[chosen])


def _scaled(gained: float, windows: int, profile: Profile) -> float:
    nothing = -profile.missed * windows
    return 100 * (gained - nothing) / (profile.found * windows - nothing)


def _series(recording: Recording, first: int) -> Series:
    times, points = recording.times, len(recording.times)
    window, weight = np.full(points, -1, np.int64), np.full(points, -1.0)
    before: tuple[int, float] | None = None
    position = 0
    for number, limits in enumerate(recording.windows, first):
        start, end = (int(at) for at in np.searchsorted(times, limits))
        if before:
            weight[position:start] = _sigmoid((np.arange(position, start) - before[0]) / (before[1] - 1))
        length = end - start + 1.0
        inside = np.arange(start, end + 1)
        weight[start : end + 1] = _sigmoid(-(end - inside + 1) / length) / _sigmoid(np.array([-1.0]))
        window[start : end + 1] = number
        before, position = (end, length), end + 1
    if before:
        weight[position:] = _sigmoid((np.arange(position, points) - before[0]) / (before[1] - 1))
    probation = min(int(_PROBATION * points), int(_PROBATION * _PROBATION_OF))
    return Series(recording.name, times, recording.values, window, weight, np.arange(points) >= probation)


def _sigmoid(position: Floats) -> Floats:
    """1 at the start of a window, 0 at its end, -1 far behind it; positions are in windows' lengths from the end."""
    return np.where(position > 3.0, -1.0, 2 / (1 + np.exp(np.clip(5 * position, -60, 60))) - 1)
