"""Anomalies of readings as they come: each judged by what its own series has done before, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from assets.detectors.online_settings import Kind, Online
from assets.detectors.online_state import Floats, Ints, State

_Number = TypeVar("_Number", np.int64, np.float64)


@dataclass(frozen=True)
class Limits:
    """Between which values a series is in its specification; NaN where there is no limit."""

    series: Ints
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Found:
    """For each reading, in the order given: its `Kind`, and how unlike its series' past it is.

    `score` is in nats and 0 where a reading tells nothing new: also when a higher score was given not long before.
    """

    kind: NDArray[np.int8]
    score: NDArray[np.float32]

    @property
    def is_anomaly(self) -> NDArray[np.bool_]:
        """Those to be told: each incident once."""
        return (self.kind > Kind.NORMAL) & (self.kind < Kind.ONGOING)

    def count(self, kind: Kind) -> int:
        """How many readings are of this kind."""
        return int(np.count_nonzero(self.kind == kind))


NO_LIMITS = Limits(np.empty(0, np.int64), np.empty(0), np.empty(0))


def step(
    state: State,
    series: Ints,
    event_time: Ints,
    value: Floats,
    *,
    limits: Limits = NO_LIMITS,
    online: Online | None = None,
) -> tuple[State, Found]:
    """Judge readings in log order, `event_time` in microseconds; the state after them, and what was found.

    Slices of any size give the same, bit for bit. The state that was given is left as it is.
    """
    # Here, so that only who judges pays for numba.
    from assets.detectors.online_kernel import judge, positions

    if not len(series) == len(event_time) == len(value):
        raise ValueError(f"{len(series)} series, {len(event_time)} event times and {len(value)} values")
    series, event_time, value = _fixed(series, np.int64), _fixed(event_time, np.int64), _fixed(value, np.float64)
    at = positions(_fixed(state.series, np.int64), series)
    after = state.grown(series[at < 0])
    if len(after) > len(state):
        at = positions(_fixed(after.series, np.int64), series)
    low, high = np.full((2, len(after)), np.nan)
    limited = positions(_fixed(after.series, np.int64), _fixed(limits.series, np.int64))
    low[limited[limited >= 0]] = limits.low[limited >= 0]
    high[limited[limited >= 0]] = limits.high[limited >= 0]
    found = Found(np.empty(len(series), np.int8), np.empty(len(series), np.float32))
    judge(after.records, at, event_time, value, low, high, online or Online(), found.kind, found.score)
    return after, found


def _fixed(column: NDArray[_Number], kind: type[_Number]) -> NDArray[_Number]:
    """The column as the one form that the kernel is compiled for, whoever made it."""
    fixed = np.ascontiguousarray(column, kind).view()
    fixed.flags.writeable = False
    return fixed


def silent(state: State, now: int, *, intervals: float = 20.0, at_least_s: float = 900.0) -> Ints:
    """The series that sent nothing usable for `intervals` times their typical interval, and `at_least_s`.

    `now` is in microseconds, as event_time is. Series of fewer than ten readings have no typical interval yet.
    """
    records = state.records
    patience = np.maximum(records["interval"].astype(np.float64) * intervals, at_least_s) * 1e6
    gone = (records["readings"] >= 10) & (now - records["last_seen"] > patience)
    return state.series[gone]
