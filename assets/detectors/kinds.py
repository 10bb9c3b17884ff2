"""In which way a span of a series is abnormal."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from assets.detectors.spans import Span

Floats = npt.NDArray[np.float64]

# How many points before a span say what is normal there: five times as many as it has, within these bounds.
_BEFORE = (40, 2_000)
_LONGEST_SPIKE = 3
_FEWEST_STUCK = 5
# How many times longer than ever before a stuck value stands still.
_LONGER = 3
# In robust sigmas of the points before: how far a level has moved when it counts as moved.
_MOVED = 3.0
# In robust sigmas of what points are apart from those around them: how far out a spike is.
_OUT = 8.0
# How many times as rough as before, from one point to the next, noise is.
_ROUGHER = 2.5
# A sudden move is seen between so many points on either side, in robust sigmas of what is usual there.
_SIDE = 5
_JUMPED = 8.0
# Makes the median absolute deviation of a normal distribution its standard deviation.
_MAD_TO_SIGMA = 1.4826


class Kind(StrEnum):
    """In which way a series is abnormal."""

    OUT_OF_SPEC = "out_of_spec"
    STUCK = "stuck"
    SPIKE = "spike"
    NOISE = "noise"
    SHIFT = "shift"
    DRIFT = "drift"
    DROP_OUT = "drop_out"
    SHAPE = "shape"


def described(values: Floats, span: Span) -> tuple[Kind, Span]:
    """In which way the values of a span differ from those before it, and the span with its peak where they do most.

    `values` are float64[n] of the whole series, nan where one is missing. A spike's span is cut down to the
    spike, a stuck value's to the time in which it stands still. Without enough points before it, what is left to say
    is `shape`.
    """
    least, most = _BEFORE
    inside = _finite(values[span.start : span.end + 1])
    begin = max(0, span.start - min(max(5 * len(inside), least), most))
    before = _finite(values[begin : span.start])
    if len(before) < least // 4 or not len(inside):
        return Kind.SHAPE, span
    if still := _still(values, span, begin):
        return Kind.STUCK, still
    if spike := _spike(values, span, begin):
        return Kind.SPIKE, spike
    level, sigma = float(np.median(before)), _spread(before)
    away = np.nan_to_num(np.abs(values[span.start : span.end + 1] - level))
    moved = Span(span.start, span.start + int(np.argmax(away)), span.end)
    if len(inside) > _FEWEST_STUCK and _roughness(inside) > _ROUGHER * max(_roughness(before), np.finfo(float).tiny):
        return Kind.NOISE, moved
    jumps = _jumps(np.concatenate((before, inside)))
    split = len(before) - _SIDE
    if len(jumps) > split > _SIDE and jumps[split:].max() > _JUMPED * _spread(jumps[:split]):
        return Kind.SHIFT, moved
    if max(abs(float(np.median(inside)) - level), abs(_move(inside))) > _MOVED * sigma:
        return Kind.DRIFT, moved
    return Kind.SHAPE, span


def _finite(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _spike(values: Floats, span: Span, begin: int) -> Span | None:
    """The few points that lie far from those around them, if there are only a few; by those from `begin` on."""
    at = begin + np.flatnonzero(np.isfinite(values[begin : span.end + 1]))
    half = _LONGEST_SPIKE
    if len(at) <= half:
        return None
    # A spike at the end must not be its own mirror image.
    around = np.lib.stride_tricks.sliding_window_view(np.pad(values[at], half, mode="reflect"), 2 * half + 1)
    off = np.abs(values[at] - np.median(around, axis=1))
    is_inside = at >= span.start
    far = is_inside & (off > _OUT * _spread(off[~is_inside]))
    if not 0 < far.sum() <= _LONGEST_SPIKE:
        return None
    return Span(int(at[far][0]), int(at[np.argmax(np.where(is_inside, off, -1.0))]), int(at[far][-1]))


def _still(values: Floats, span: Span, begin: int) -> Span | None:
    """The longest stretch of a span in which the value stands still, if it never stood so long from `begin` on."""
    start, length = _longest_run(values[span.start : span.end + 1])
    _, usual = _longest_run(values[begin : span.start])
    if length < max(_FEWEST_STUCK, _LONGER * usual, (span.end - span.start) // _FEWEST_STUCK):
        return None
    first = span.start + start
    return Span(first, first, first + length - 1)


def _longest_run(values: Floats) -> tuple[int, int]:
    """Where the longest run of equal values begins, and how many they are."""
    edges = np.flatnonzero(np.diff(values, prepend=np.nan, append=np.nan) != 0)
    lengths = np.diff(edges)
    if not len(lengths):
        return 0, len(values)
    longest = int(np.argmax(lengths))
    return int(edges[longest]), int(lengths[longest])


def _jumps(values: Floats) -> Floats:
    """How far the level is apart on both sides of each point, `_SIDE` points to each side."""
    if len(values) < 2 * _SIDE:
        return np.empty(0)
    levels = np.median(np.lib.stride_tricks.sliding_window_view(values, _SIDE), axis=1)
    jumps: Floats = np.abs(levels[_SIDE:] - levels[:-_SIDE])
    return jumps


def _spread(values: Floats) -> float:
    deviation = _MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))
    # Of values that mostly stand still, the median says nothing.
    return deviation or float(np.std(values)) or float(np.finfo(float).tiny)


def _roughness(values: Floats) -> float:
    """The typical step from one point to the next, without the curve's own slope and bend."""
    if len(values) < 4:
        return 0.0
    return float(np.median(np.abs(np.diff(values, 2))))


def _move(values: Floats) -> float:
    """From the first quarter of a span to its last."""
    quarter = max(len(values) // 4, 1)
    return float(np.median(values[-quarter:]) - np.median(values[:quarter]))
