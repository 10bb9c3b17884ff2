"""A sensor's curve as a picture for Dagster's UI."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_WIDTH, _HEIGHT, _MARGIN = 640, 160, 8
# Readable on white and on near black.
_LINE, _SPAN = "#3b7dd8", "#e8590c"


@dataclass(frozen=True)
class Picture:
    """An SVG picture, and in words what it shows."""

    svg: str
    text: str

    @property
    def markdown(self) -> str:
        """As Dagster's UI shows it."""
        return (
            f"{self.text}\n\n![{self.text}](data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()})"
        )


def thinned(times: npt.NDArray[np.int64], values: Floats, buckets: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """The lowest and the highest value of each of so many equal stretches, in order of time."""
    if len(times) <= 2 * buckets:
        return times, values
    starts = np.linspace(0, len(times), buckets, endpoint=False).astype(np.int64)
    bucket = np.searchsorted(starts, np.arange(len(times)), "right")
    order = np.lexsort((values, bucket))
    last = np.append(starts[1:], len(times)) - 1
    kept = np.unique(np.concatenate((order[starts], order[last])))
    return times[kept], values[kept]


def svg(times: npt.NDArray[np.int64], values: Floats, start: int, end: int) -> str:
    """The curve, with the time from `start` to `end` marked; times are in microseconds."""
    first, width = int(times[0]), max(int(times[-1] - times[0]), 1)
    low, height = float(values.min()), float(np.ptp(values)) or 1.0
    x = _MARGIN + (times - first) / width * (_WIDTH - 2 * _MARGIN)
    y = _HEIGHT - _MARGIN - (values - low) / height * (_HEIGHT - 2 * _MARGIN)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    left, right = (_MARGIN + (moment - first) / width * (_WIDTH - 2 * _MARGIN) for moment in (start, end))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}">'
        f'<rect x="{left:.1f}" width="{max(right - left, 2):.1f}" height="{_HEIGHT}" fill="{_SPAN}" opacity="0.3"/>'
        f'<polyline points="{points}" fill="none" stroke="{_LINE}" stroke-width="1.3"/></svg>'
    )
