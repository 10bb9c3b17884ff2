"""How fast both detectors are, and others on the same values: processor seconds of one thread.

That the libraries have no more threads is for who starts this to say, as the Makefile does: those of a matrix product
wait for more work by turning round, and would be counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.detectors.batch import score
from assets.detectors.online import step
from assets.detectors.online_state import State

Floats = npt.NDArray[np.float64]

_LENGTHS = (100_000, 200_000, 500_000)
_PERIODS = (12, 60, 200)
_TRAIN = 5000
SENSORS, _PER_SENSOR = 10_000, 200
_MINUTE = 60_000_000
# What others are asked for takes seconds: a matrix profile grows with the square of the length.
_PERIOD = 60
_FOREST_POINTS, _PROFILE_POINTS, _SENSOR_READINGS = 100_000, 20_000, 20_000


@dataclass(frozen=True)
class Peer:
    """Another detector: points or readings it took and how many a second, and how many ours does of the same values."""

    name: str
    points: int
    per_s: float
    ours: str
    ours_per_s: float


def batch_points_per_s() -> float:
    """The median over made series of several lengths and periods."""
    return median(
        points / _seconds(partial(score, _waves(points, period), period, _TRAIN))
        for points in _LENGTHS
        for period in _PERIODS
    )


def online_readings_per_s() -> float:
    """Readings of many sensors in turn, from a state that knows them."""
    series = np.tile(np.arange(SENSORS), _PER_SENSOR)
    times = np.repeat(np.arange(_PER_SENSOR), SENSORS) * _MINUTE
    values = np.random.default_rng(1).normal(20, 1, len(series))
    state, _ = step(State.empty(), series, times, values)
    later = times + times[-1] + _MINUTE
    return len(series) / _seconds(lambda: step(state, series, later, values))


def peers() -> list[Peer]:
    """Others on a made series of one period, of a length that they do in seconds, and ours on the same."""
    return [
        _batch("scikit-learn IsolationForest, windows of a period", _isolation_forest, _FOREST_POINTS),
        _batch("stumpy stump, the matrix profile", _matrix_profile, _PROFILE_POINTS),
        _online("river HalfSpaceTrees", _half_space_trees),
        _online("river GaussianScorer", _gaussian_scorer),
    ]


def _batch(name: str, work: Callable[[Floats], Any], points: int) -> Peer:
    values = _waves(points, _PERIOD)
    theirs, ours = _seconds(partial(work, values)), _seconds(partial(score, values, _PERIOD, _TRAIN))
    return Peer(name, points, points / theirs, "batch", points / ours)


def _online(name: str, work: Callable[[Sequence[float]], Any]) -> Peer:
    values = _waves(_SENSOR_READINGS, _PERIOD)
    series, times = np.zeros(len(values), np.int64), np.arange(len(values)) * _MINUTE
    theirs = _seconds(partial(work, values.tolist()))
    ours = _seconds(lambda: step(State.empty(), series, times, values))
    return Peer(name, len(values), len(values) / theirs, "online", len(values) / ours)


def _isolation_forest(values: Floats) -> Floats:
    """As TSB-AD's Sub-IForest: a row is a window of raw values at each point; 100 trees of one feature and 256 rows."""
    from sklearn.ensemble import IsolationForest

    rows = np.lib.stride_tricks.sliding_window_view(values, _PERIOD)
    forest = IsolationForest(n_estimators=100, max_features=1, contamination=0.1, n_jobs=1, random_state=0)
    odd: Floats = -forest.fit(rows).decision_function(rows)
    return odd


def _matrix_profile(values: Floats) -> Any:
    import stumpy

    return stumpy.stump(values, _PERIOD)


def _half_space_trees(values: Sequence[float]) -> list[float]:
    """With river's own settings, behind a scaler as its documentation shows."""
    from river import anomaly, preprocessing

    scaler, trees = preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=0)
    told = []
    for value in values:
        reading = {"value": value}
        scaler.learn_one(reading)
        scaled = scaler.transform_one(reading)
        told.append(trees.score_one(scaled))
        trees.learn_one(scaled)
    return told


def _gaussian_scorer(values: Sequence[float]) -> list[float]:
    from river import anomaly

    scorer = anomaly.GaussianScorer()
    told = []
    for value in values:
        told.append(scorer.score_one(None, value))
        scorer.learn_one(None, value)
    return told


def _waves(points: int, period: int) -> Floats:
    noise = np.random.default_rng(1).normal(0, 0.2, points)
    waves: Floats = np.sin(2 * np.pi * np.arange(points) / period) + noise
    return waves


def _seconds(work: Callable[[], Any]) -> float:
    """The processor's, of the best of five runs after one that compiles."""
    work()
    spent = []
    for _ in range(5):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)
