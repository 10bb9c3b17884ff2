"""Overlapping windows of a series: laid, compared with each other, and their scores brought back to the points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.detectors.compiled import compiled

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]

# A window is averaged down to so many bins. More of them follow the noise, fewer miss shapes (tried: 8, 16, 24, 32).
# `_nearest` takes four at a time.
BINS = 12
# A neighbour's distance is the mean of the three nearest: an odd event that comes twice is no excuse for itself.
_NEAREST = 3
# Distances are minimised in so many lanes side by side, as a processor does it; two of the three nearest in one lane
# are taken for one.
_LANES = 16
_NO_DISTANCE = np.float32(1e30)


@dataclass(frozen=True)
class Windows:
    """A window of `BINS` bins at each bin of a series, of which `width` points make one.

    `shapes[i]` (float32, BINS columns) holds the means of window `i`, which covers the points from
    `offset + i * width` on. Bins are counted from the end of the series, so that the newest points are in one.
    """

    shapes: Singles
    width: int
    offset: int

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def length(self) -> int:
        """How many points a window covers."""
        return BINS * self.width

    def within(self, points: int) -> int:
        """How many windows end within the first `points` points."""
        return max(0, min(len(self), (points - self.offset - self.length) // self.width + 1))


def lay(values: Floats, length: int) -> Windows:
    """Windows of about `length` points, a multiple of `BINS`, over `values`, which has at least `BINS`."""
    width = max(1, min(round(length / BINS), len(values) // BINS))
    offset = len(values) % width
    means = values[offset:].reshape(-1, width).mean(axis=1, dtype=np.float32) if width > 1 else values
    shapes = np.lib.stride_tricks.sliding_window_view(means.astype(np.float32), BINS)
    return Windows(np.ascontiguousarray(shapes), width, offset)


def spread(windows: Windows, scores: Floats, points: int) -> Floats:
    """One score for each of `points` points: the mean over the windows that cover it, on lines from bin to bin."""
    middle = windows.offset + windows.length / 2
    return _on_lines(_moving_mean(scores, BINS), middle, windows.width, points)


def _moving_mean(values: Floats, length: int) -> Floats:
    """The mean of `length` values around each; at the ends, of those that there are."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    first = np.arange(len(values)) - length // 2
    starts, ends = np.maximum(first, 0), np.minimum(first + length, len(values))
    means: Floats = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def nearest(shapes: Singles, references: Rows) -> Floats:
    """Each shape's mean distance from the three nearest of the shapes in the rows `references`, which ascend.

    Those that overlap it are left out. Where none is left, 0: there is nothing to judge by.
    """
    count = len(references)
    columns = np.zeros((BINS, max(_LANES, 1 << (count - 1).bit_length())), np.float32)
    columns[:, :count] = shapes[references].T
    return _nearest(shapes, columns, references)


@compiled
def _nearest(shapes: Singles, columns: Singles, references: Rows) -> Floats:
    # Written so that LLVM makes vector code of the loops over `other` and `lane`; numpy's matrix product and
    # a selection took twice as long.
    rows = len(shapes)
    count = len(references)
    padded = columns.shape[1]
    found = np.zeros(rows)
    squares = np.empty(padded, np.float32)
    best = np.empty(_NEAREST, np.float32)
    before = 0
    after = 0
    for row in range(rows):
        shape = shapes[row]
        squares[:] = 0
        for at in range(0, BINS, 4):
            a, b, c, d = shape[at], shape[at + 1], shape[at + 2], shape[at + 3]
            of_a, of_b, of_c, of_d = columns[at], columns[at + 1], columns[at + 2], columns[at + 3]
            for other in range(padded):
                by_a, by_b, by_c, by_d = a - of_a[other], b - of_b[other], c - of_c[other], d - of_d[other]
                squares[other] += (by_a * by_a + by_b * by_b) + (by_c * by_c + by_d * by_d)
        while before < count and references[before] <= row - BINS:
            before += 1
        while after < count and references[after] < row + BINS:
            after += 1
        squares[before:after] = _NO_DISTANCE
        squares[count:] = _NO_DISTANCE
        size = padded
        while size > _LANES:
            size //= 2
            half, other_half = squares[:size], squares[size : 2 * size]
            for lane in range(size):
                one, two = half[lane], other_half[lane]
                half[lane] = min(one, two)
        best[:] = _NO_DISTANCE
        for lane in range(_LANES):
            place = _NEAREST - 1
            if squares[lane] < best[place]:
                while place > 0 and best[place - 1] > squares[lane]:
                    best[place] = best[place - 1]
                    place -= 1
                best[place] = squares[lane]
        total = 0.0
        used = 0
        for place in range(_NEAREST):
            if best[place] < _NO_DISTANCE:
                total += np.sqrt(best[place])
                used += 1
        if used:
            found[row] = total / used
    return found


@compiled
def _on_lines(values: Floats, first: float, step: float, points: int) -> Floats:
    """`values`, which stand at `first`, `first + step`, …, read at 0 … points - 1; beyond the ends, the last one."""
    read = np.empty(points)
    last = len(values) - 1
    for point in range(points):
        at = (point - first) / step
        if at <= 0:
            read[point] = values[0]
        elif at >= last:
            read[point] = values[last]
        else:
            left = int(at)
            part = at - left
            read[point] = values[left] * (1 - part) + values[left + 1] * part
    return read
