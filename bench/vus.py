"""VUS-PR: how well scores rank labelled anomalies, whatever threshold is chosen and however exactly they are labelled.

The volume under the surface of range-wise precision and recall, over all thresholds and all buffers around the labels
from 0 to the series' window: Paparrizos, Boniol et al., Volume Under the Surface (VLDB 2022), with 250 thresholds as
TSB-AD computes it. Nothing is point-adjusted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_THRESHOLDS = 250
# TSB-AD's rule for a series' window, which is also the widest buffer.
_USUAL_WINDOW = 125
_WINDOWS = (3, 300)
_LAGS, _POINTS = 400, 20_000


def vus_pr(labels: npt.NDArray[Any], scores: Floats, window: int) -> float:
    """The metric of `scores` (higher is odder) for 0/1 `labels`, of which one at least is 1."""
    anomalous = labels > 0
    segments = _segments(anomalous)
    descending = -np.sort(-scores)
    thresholds = descending[np.linspace(0, len(scores) - 1, _THRESHOLDS).astype(int)]
    predicted = np.searchsorted(-descending, -thresholds, side="right").astype(np.float64)
    # For each point, the first threshold at which it is told.
    first = np.minimum(np.searchsorted(-thresholds, -scores, side="left"), _THRESHOLDS - 1)
    inside = np.cumsum(np.bincount(first[anomalous], minlength=_THRESHOLDS))
    total = sum(
        _average_precision(first, segments, inside, predicted, anomalous, buffer) for buffer in range(window + 1)
    )
    return float(total / (window + 1))


def usual_window(values: Floats) -> int:
    """The lag of the highest peak of the autocorrelation, as TSB-AD finds it; 125 where there is none."""
    x = values[:_POINTS] - values[:_POINTS].mean()
    lags = min(_LAGS, len(x) - 1)
    spectrum = np.fft.rfft(x, 2 * len(x))
    correlation = np.fft.irfft(spectrum * np.conj(spectrum))[: lags + 1]
    if correlation[0] <= 0:
        return _USUAL_WINDOW
    least, most = _WINDOWS
    at = correlation[least:]
    peaks = np.flatnonzero((at[1:-1] > at[:-2]) & (at[1:-1] > at[2:])) + 1
    if not len(peaks):
        return _USUAL_WINDOW
    best = int(peaks[np.argmax(at[peaks])])
    return best + least if least <= best <= most else _USUAL_WINDOW


def _segments(anomalous: npt.NDArray[np.bool_]) -> Ints:
    edges = np.diff(np.concatenate(([0], anomalous.astype(np.int8), [0])))
    return np.column_stack((np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1))


def _average_precision(
    first: Ints, segments: Ints, inside: Ints, predicted: Floats, anomalous: npt.NDArray[np.bool_], buffer: int
) -> float:
    """Of one buffer: points up to half of it away from a labelled stretch count in part."""
    near = _nearness(segments, len(first), buffer)
    around = (near > 0) & ~anomalous
    partly = np.cumsum(np.bincount(first[around], weights=np.minimum(near[around], 1.0), minlength=_THRESHOLDS))
    hits = inside + partly
    positives = anomalous.sum() + partly / 2
    recall = np.minimum(hits / positives, 1.0) * _found(first, segments, buffer // 2)
    return float(np.dot(np.diff(np.concatenate(([0.0], recall))), hits / predicted))


def _nearness(segments: Ints, points: int, buffer: int) -> Floats:
    near, half = np.zeros(points), buffer // 2
    for start, end in segments if half else ():
        after = np.arange(end + 1, min(end + half + 1, points))
        before = np.arange(max(start - half, 0), start)
        near[after] += np.sqrt(1 - (after - end) / buffer)
        near[before] += np.sqrt(1 - (start - before) / buffer)
    return near


def _found(first: Ints, segments: Ints, half: int) -> Floats:
    """At each threshold, the share of labelled stretches that were found at all; those whose buffers meet are one."""
    starts, ends = np.maximum(segments[:, 0] - half, 0), np.minimum(segments[:, 1] + half, len(first) - 1)
    apart = np.concatenate(([True], segments[1:, 0] - half > segments[:-1, 1] + half))
    groups = np.flatnonzero(apart)
    lasts = np.concatenate((groups[1:] - 1, [len(segments) - 1]))
    earliest = [int(first[starts[one] : ends[last] + 1].min()) for one, last in zip(groups, lasts, strict=True)]
    return np.cumsum(np.bincount(earliest, minlength=_THRESHOLDS)) / len(earliest)
