"""The batch detector: how odd each point of a whole series is, by its surroundings' shape, level and roughness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.detectors.period import find_period
from assets.detectors.windows import BINS, Floats, Rows, Windows, lay, nearest, spread

# Two windows that don't overlap, and one more.
_MIN_POINTS = 3 * BINS
# TSB-AD's window where there is no period.
_DEFAULT_PERIOD = 125
# A period is drawn halfway (in logarithms) towards this length, and to no less than the other: windows of 6 points see
# only noise, windows of 300 miss what is short.
_USUAL_WINDOW = 64
_MIN_WINDOW = 40
# A normal reference of fewer points, or of fewer than three windows, says too little.
_MIN_TRAIN = 50
# As many windows as a window is compared with. More cost time and changed nothing; where bins are narrow there are
# most windows, and fewer references keep the time per point the same.
_REFERENCES = 512
_REFERENCES_PER_WIDTH = 64
# Quantiles of longer arrays are those of so many evenly chosen values.
_SAMPLE = 20_000
_AR_ORDER = 16
_AR_POINTS = 8_000
# Beyond so many standard deviations all values are equally far.
_FAR = 1e3


@dataclass(frozen=True)
class _View:
    """Standardised values, windows of one length over them, and how many of the first windows are normal."""

    values: Floats
    windows: Windows
    normal: int

    @property
    def all_rows(self) -> Rows:
        """References from the whole series."""
        return self._evenly(len(self.windows))

    @property
    def normal_rows(self) -> Rows:
        return self._evenly(self.normal)

    def _evenly(self, count: int) -> Rows:
        wanted = min(_REFERENCES, _REFERENCES_PER_WIDTH * self.windows.width)
        # A power of two, as `nearest` wastes no time on.
        wanted = 1 << (wanted.bit_length() - 1)
        return np.linspace(0, count - 1, min(wanted, count)).astype(np.intp)


def score(values: npt.ArrayLike, window: int = 0, train: int = 0) -> Floats:
    """How odd each of `values` (n of them, evenly spaced in time) is: 0 or more, the higher the odder.

    `window` is the series' period, or how long its events last, in points; 0: found from the autocorrelation. The
    first `train` points are taken as normal; 0: nothing is known to be. Scores compare points of one series, not
    series, and are the same, up to rounding, for `a * values + b`.

    Every point gets a finite score. Nan and infinities count as missing, are bridged by a line, and score as that line
    does: a long gap looks like a sensor that is stuck. A series with fewer than 36 finite values, or that is constant,
    scores 0 throughout: nothing to judge by. The caller puts irregular readings on a grid.

    The sum of eight views: nearest-neighbour distances of windows of four lengths (Yankov, Keogh and Rebbapragada,
    Disk Aware Discord Discovery, 2007), their energy and roughness, and what an autoregression does not foresee;
    each in units of what is usual in the reference, raised to a power so that the view that sees most decides.
    """
    raw = np.asarray(values, dtype=np.float64)
    known = np.isfinite(raw)
    points = len(raw)
    if known.sum() < _MIN_POINTS:
        return np.zeros(points)
    train = min(max(train, 0), points)
    x = _standardised(_bridged(raw, known), train)
    if not x.any():
        return np.zeros(points)
    length = _window_length(window if window > 0 else find_period(x, _DEFAULT_PERIOD), points)
    if train < max(_MIN_TRAIN, 3 * length):
        train = 0
    scores = _peaks(_unforeseen(x, train), train or points)
    for times, parts in _PARTS.items():
        windows = lay(x, min(round(times * length), points // 3))
        view = _View(x, windows, windows.within(train) or len(windows))
        odd = np.zeros(len(windows))
        for part, in_units in parts:
            odd += in_units(part(view), view.normal)
        scores += spread(windows, odd, points)
    return scores


def _window_length(period: int, points: int) -> int:
    drawn = max(_MIN_WINDOW, (_USUAL_WINDOW * period) ** 0.5)
    return int(min(drawn, points / 4))


def _bridged(values: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """The values within ±1, lest differences and squares overflow, on straight lines where they are missing."""
    at = np.flatnonzero(known)
    held: Floats = values[at]
    held = held / max(float(np.abs(held).max()), float(np.finfo(float).tiny))
    if len(at) == len(values):
        return held
    bridged: Floats = np.interp(np.arange(len(values)), at, held)
    return bridged


def _standardised(values: Floats, train: int) -> Floats:
    """Distances from the reference's median in its standard deviations; zeros if the series is constant."""
    normal = values[:train] if train >= _MIN_TRAIN else values
    scale = normal.std()
    if scale <= 1e-6 * values.std():
        # A reference that stands still has no unit to offer.
        scale = values.std()
    # Less is rounding, within ±1.
    if scale <= 1e-14:
        return np.zeros_like(values)
    standardised: Floats = np.clip((values - np.median(_sample(normal))) / scale, -_FAR, _FAR)
    return standardised


def _unlike_all(view: _View) -> Floats:
    """How far a window's shape, whatever its level, lies from the most similar ones of the whole series."""
    shapes = view.windows.shapes
    return nearest(shapes - shapes.mean(axis=1, keepdims=True), view.all_rows)


def _unlike_normal(view: _View) -> Floats:
    """How far a window, with its level, lies from the most similar normal ones."""
    return nearest(view.windows.shapes, view.normal_rows)


def _unlike_both(view: _View) -> Floats:
    """How far a window, with its level, lies from the most similar ones, half of them known to be normal."""
    return nearest(view.windows.shapes, np.union1d(view.normal_rows[::2], view.all_rows[::2]))


def _roughness(view: _View) -> Floats:
    """How far a window's root mean square step is from the usual one, in logarithms: stuck and restless are odd."""
    windows = view.windows
    squares = np.square(np.diff(view.values, prepend=view.values[0]))
    sums = np.concatenate(([0.0], np.cumsum(squares)))[windows.offset :: windows.width]
    steps = np.sqrt(np.maximum(sums[BINS:] - sums[:-BINS], 0) / windows.length)
    # A thousandth of a standard deviation: what stands still is not infinitely far from what hardly moves.
    floor = 0.05 * np.median(_sample(steps)) + 1e-3
    usual = np.median(_sample(steps[: view.normal]))
    off: Floats = np.abs(np.log((steps + floor) / (usual + floor)))
    return off


def _energy(view: _View) -> Floats:
    """A window's root mean square distance from the reference's median."""
    energy: Floats = np.sqrt(np.square(view.windows.shapes).mean(axis=1, dtype=np.float64))
    return energy


def _unforeseen(x: Floats, train: int) -> Floats:
    """How far each point lies from what the 16 before it foretell, by least squares over what is normal.

    Fitted three times, each without the 3 % that fitted worst before: spikes must not teach it to expect spikes.
    """
    lagged = np.lib.stride_tricks.sliding_window_view(x[: train or len(x)][:_AR_POINTS], _AR_ORDER + 1)
    inputs = np.column_stack((lagged[:, :-1], np.ones(len(lagged))))
    outcome = lagged[:, -1]
    products, targets = inputs.T @ inputs, inputs.T @ outcome
    weights = _solved(products, targets)
    for _ in range(2):
        misses = np.abs(outcome - inputs @ weights)
        bad = misses > np.quantile(misses, 0.97)
        weights = _solved(products - inputs[bad].T @ inputs[bad], targets - inputs[bad].T @ outcome[bad])
    foretold: Floats = np.convolve(x, weights[-2::-1], "valid")[:-1] + weights[-1]
    off: Floats = np.abs(x[_AR_ORDER:] - foretold)
    return np.concatenate((np.full(_AR_ORDER, np.median(_sample(off))), off))


def _solved(products: Floats, targets: Floats) -> Floats:
    """The weights of least squares, with a ridge for series whose lags say the same."""
    ridge = 1e-4 * np.trace(products) / len(products) * np.eye(len(products))
    weights: Floats = np.linalg.solve(products + ridge, targets)
    return weights


def _in_units(scores: Floats, normal: int, share: float) -> Floats:
    """`scores` as multiples of what all but `1 - share` of the first `normal`, the reference, stay below.

    The unit is at least twice the upper quartile of all: where the reference is unlike most of the series, it says
    little about what is odd in it.
    """
    usual = max(np.quantile(_sample(scores[:normal]), share), 2 * np.quantile(_sample(scores), 0.75))
    unit = usual + 0.05 * scores.mean()
    return scores / unit if unit > 0 else np.zeros_like(scores)


def _extent(scores: Floats, normal: int) -> Floats:
    """For what lasts a window or longer."""
    return _in_units(scores, normal, 0.99) ** 2


def _peaks(scores: Floats, normal: int) -> Floats:
    """For what is over within a few points: it must stand out from nearly everything normal, and then decides."""
    if normal < len(scores):
        return _in_units(scores, normal, 0.999) ** 3
    # Without a reference the highest thousandth may be what is looked for. 1.5 takes a bell curve's rest that far.
    return (_in_units(scores, normal, 0.99) / 1.5) ** 3


def _sample(values: Floats) -> Floats:
    return values[:: -(-len(values) // _SAMPLE)]


_PARTS: dict[float, tuple[tuple[Callable[[_View], Floats], Callable[[Floats, int], Floats]], ...]] = {
    1 / 3: ((_unlike_all, _peaks),),
    1: ((_unlike_normal, _extent),),
    2: ((_unlike_all, _extent), (_unlike_both, _extent), (_roughness, _extent)),
    4: ((_unlike_normal, _extent), (_energy, _extent)),
}
