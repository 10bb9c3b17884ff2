"""Anomalies of known kinds and sizes put into real series, and what the online detector tells of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.detectors.online import silent, step
from assets.detectors.online_state import State
from bench.episodes import Told, tell
from bench.nab import Series

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Small, middle, large. Those of the last two are readings, the others the series' own robust standard deviations.
SIZES: Mapping[str, tuple[float, float, float]] = {
    "spike": (4, 8, 16),
    "shift": (2, 4, 8),
    "drift": (2, 4, 8),
    "noise": (1, 2, 4),
    "stuck": (25, 50, 100),
    "drop-out": (10, 30, 100),
}
_BY_LEVEL = ("spike", "shift", "drift")
LASTING = ("stuck", "drop-out")
SILENT = "silent"
# What an episode may be called, and what is no episode.
EPISODES = ("spike", "shift", "drift", "noise", "stuck", "shape", SILENT)
# In how many readings from its first one on it has to be told; what lasts for its size, within that.
_WITHIN = {"spike": 3, "shift": 100, "drift": 200, "noise": 100}
_DRIFTS_FOR = 200
# Readings of a place: the longest of these, and those after which a spike may get another name.
_READINGS = 250
_PLACES = 4
# A day and 100 readings are not judged; some more, so that it is all the same at which hour a series begins.
_AFTER_US, _AFTER_READINGS = 26 * 3_600_000_000, 110
# So long after an episode its peak has faded to a twentieth, and what comes is told as if it hadn't been.
_CALM = 300
_MAD_TO_SIGMA = 1.4826
# How the folders of recordings begin, unlike those of made series.
_REAL = "real"


@dataclass(frozen=True)
class Place:
    """Readings of a real series in which nothing is labelled, and what the detector remembers of all before.

    Of the whole series outside of its labels: `sigma`, its robust standard deviation, and `farthest`, how many of them
    a reading is from the median at most. `interval` is in microseconds.
    """

    name: str
    times: Ints
    values: Floats
    before: State
    sigma: float
    farthest: float
    interval: int


@dataclass(frozen=True)
class Outcome:
    """What came of one anomaly: the kind it was told as and how many readings after its start; None: not told.

    `is_told_without`: that something is told of the same readings as they are. `is_beyond`: that the series, where
    nothing is labelled, never is as far from its median as `size` means.
    """

    kind: str
    size: float
    told: str | None
    delay: int | None
    is_told_without: bool
    is_beyond: bool


def places(corpus: Sequence[Series], told: Sequence[Told]) -> list[Place]:
    """Up to four places of each real series, by the same dice each time; `told` as the series are."""
    dice = np.random.default_rng(1)
    found = []
    for series, of_one in zip(corpus, told, strict=True):
        outside = series.values[series.window < 0]
        distances = np.abs(outside - np.median(outside))
        sigma = _MAD_TO_SIGMA * float(np.median(distances))
        if not series.name.startswith(_REAL) or sigma == 0 or (np.diff(series.times) <= 0).any():
            continue
        starts = possible(series, of_one)
        chosen = np.sort(dice.choice(starts, min(_PLACES, len(starts)), replace=False))
        farthest = float(distances.max()) / sigma
        found += [_place(series, int(start), sigma, farthest) for start in chosen]
    return found


def possible(series: Series, told: Told) -> Ints:
    """Where an anomaly may begin: judged, far from what is labelled and not soon after something was told."""
    readings = len(series.times)
    starts = np.arange(_AFTER_READINGS, max(readings - _READINGS, _AFTER_READINGS))
    starts = starts[series.times[starts] - series.times[0] >= _AFTER_US]
    labelled = np.concatenate(([0], np.cumsum(series.window >= 0)))
    episodes = np.zeros(readings + 1, np.int64)
    np.add.at(episodes, [one.at + 1 for one in told.episodes], 1)
    episodes = np.cumsum(episodes)
    first = np.maximum(starts - _CALM, 0)
    is_clean = labelled[starts + _READINGS] == labelled[first]
    is_calm = episodes[starts] == episodes[first]
    free: Ints = starts[is_clean & is_calm]
    return free


def outcomes(at: Sequence[Place]) -> list[Outcome]:
    """Each kind in each size put into each place, alone."""
    untouched = tell([place.times for place in at], [place.values for place in at], _remembered(at))
    found = []
    for kind, sizes in SIZES.items():
        for size in sizes:
            within = int(_WITHIN.get(kind, size))
            if kind == "drop-out":
                found += [_dropped_out(place, within) for place in at]
                continue
            dice = np.random.default_rng(1)
            values = [injected(kind, place.values, size, place.sigma, dice) for place in at]
            told = tell([place.times for place in at], values, _remembered(at))
            for place, with_it, without in zip(at, told, untouched, strict=True):
                name, delay = _first(with_it, within) or (None, None)
                told_without = _first(without, within) is not None
                is_beyond = kind in _BY_LEVEL and size > place.farthest
                found.append(Outcome(kind, size, name, delay, told_without, is_beyond))
    return found


def injected(kind: str, values: Floats, size: float, sigma: float, dice: np.random.Generator) -> Floats:
    """The values with an anomaly that begins at the first of them, up or down as the dice fall."""
    changed = values.copy()
    by = float(dice.choice((-1.0, 1.0))) * size * sigma
    if kind == "spike":
        changed[0] += by
    elif kind == "shift":
        changed += by
    elif kind == "drift":
        changed += by * np.minimum(np.arange(1, len(values) + 1) / _DRIFTS_FOR, 1.0)
    elif kind == "noise":
        lasts = _WITHIN["noise"]
        changed[:lasts] += dice.normal(0.0, size * sigma, lasts)
    elif kind == "stuck":
        changed[: int(size)] = values[0]
    else:
        raise ValueError(kind)
    return changed


def _place(series: Series, start: int, sigma: float, farthest: float) -> Place:
    before, _ = step(State.empty(), np.zeros(start, np.int64), series.times[:start], series.values[:start])
    mine = slice(start, start + _READINGS)
    interval = int(np.median(np.diff(series.times)))
    return Place(series.name, series.times[mine], series.values[mine], before, sigma, farthest, interval)


def _remembered(at: Sequence[Place]) -> State:
    return State(np.arange(len(at)), np.concatenate([place.before.records for place in at]))


def _first(told: Told, within: int) -> tuple[str, int] | None:
    return next(((one.kind, one.at) for one in told.episodes if one.at < within), None)


def _dropped_out(place: Place, intervals: int) -> Outcome:
    """No reading for so many typical intervals, and the state asked at each of them."""
    last = int(place.before.records["last_seen"][0])
    delay = next((by for by in range(1, intervals + 1) if len(silent(place.before, last + by * place.interval))), None)
    longest = int(np.diff(place.times[:intervals], prepend=last).max())
    without = len(silent(place.before, last + longest)) > 0
    return Outcome("drop-out", intervals, SILENT if delay else None, delay, without, is_beyond=False)
