"""The online detector's pass over readings in log order, compiled; importing this costs half a second, for numba."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from assets.detectors.compiled import compiled_exactly
from assets.detectors.online_settings import Kind, Online
from assets.detectors.online_state import Floats, Ints

NOT_JUDGED: Final = int(Kind.NOT_JUDGED)
LATE: Final = int(Kind.LATE)
REPEATED: Final = int(Kind.REPEATED)
UNUSABLE: Final = int(Kind.UNUSABLE)
ONGOING: Final = int(Kind.ONGOING)
NORMAL: Final = int(Kind.NORMAL)
SPIKE: Final = int(Kind.SPIKE)
SHIFT: Final = int(Kind.SHIFT)
DRIFT: Final = int(Kind.DRIFT)
NOISE: Final = int(Kind.NOISE)
STUCK: Final = int(Kind.STUCK)
LIMIT: Final = int(Kind.LIMIT)
PATTERN: Final = int(Kind.PATTERN)

_HOUR: Final = 3_600_000_000  # microseconds
_TINY: Final = 1e-12
# What single precision can't hold with room to spare is no measurement.
_MOST: Final = 1e30
# A scale's first readings are taken as they are; then each counts as no more than a few times the scale.
_FIRST: Final = 20.0
# A single step counts as no more than this many typical ones towards noise.
_LOUD: Final = 8.0
# Readings after a spike at which it is looked whether the value came back, and whether it has been noisy since.
_SHIFT_AFTER: Final = 8
_NOISE_AFTER: Final = 40
# Of eight half octaves of noise, the usual being the fifth: this and more is noisy.
_LOUDER: Final = 6


@compiled_exactly
def positions(known: Ints, series: Ints) -> NDArray[np.int32]:
    """Where each of `series` is among `known`, -1 for those that are not there."""
    size = 16
    while size < 2 * len(known):
        size *= 2
    table = np.full(size, -1, np.int32)
    for at in range(len(known)):
        slot = _slot(known[at], size)
        while table[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        table[slot] = at
    found = np.empty(len(series), np.int32)
    for row in range(len(series)):
        slot = _slot(series[row], size)
        while table[slot] >= 0 and known[table[slot]] != series[row]:
            slot = (slot + 1) & (size - 1)
        found[row] = table[slot]
    return found


@compiled_exactly
def _slot(series: np.int64, size: int) -> np.int64:
    mixed = np.uint64(series) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed >> np.uint64(32)) & (size - 1)


@compiled_exactly
def _cell(distance: float, scale: float, cells: int) -> int:
    """Which of `cells` cells a distance is in: half of them are within one `scale`."""
    return min(int((distance / (abs(distance) + scale) + 1.0) * 0.5 * cells), cells - 1)


@compiled_exactly
def _surprise(readings: float, seen: np.uint64) -> float:
    """How rarely this series came into a new cell, in nats: minus the logarithm of new cells a reading."""
    count = 1
    while seen:
        seen &= seen - np.uint64(1)
        count += 1
    return math.log(max(readings / count, 1.0))


@compiled_exactly
def _news(readings: float, seen: np.uint64, cell: int, coarse: int) -> float:
    """The surprise of a cell that was not seen, and again of the 2**`coarse` around it if none of them was."""
    bit = np.uint64(1) << np.uint64(cell)
    if seen & bit:
        return 0.0
    found = _surprise(readings, seen)
    seen = (seen | (seen >> np.uint64(1))) & np.uint64(0x5555555555555555)
    if coarse == 2:
        seen = (seen | (seen >> np.uint64(2))) & np.uint64(0x1111111111111111)
    if not seen & (np.uint64(1) << np.uint64(cell >> coarse << coarse)):
        found += _surprise(readings, seen)
    return found


@compiled_exactly
def _sweep(s: Any, hour: int) -> None:
    """Forget the cells of one set that were not seen since the last sweep, and go on to the next set."""
    turn = s.turn % 5
    if turn == 0:
        s.value_seen = s.refreshed
    elif turn == 1:
        s.jump_seen = s.refreshed
    elif turn == 2:
        s.trend_seen = s.refreshed
    elif turn == 3:
        s.hour_seen = s.refreshed
    else:
        s.noise_seen = s.refreshed
    # Never 0 again, which is a series' first days.
    s.turn = np.uint16(turn + 1)
    s.refreshed = np.uint64(0)
    s.swept = np.uint16(hour & 0xFFFF)
    s.since = np.uint16(0)
    s.readings *= np.float32(0.8)
    s.longest = np.uint16(s.longest // 2)
    s.extreme *= np.float32(0.8)


@compiled_exactly
def _moved(scale: float, size: float, rate: float, clip: float, early: bool) -> np.float32:
    """A scale after a reading, which counts as no more than `clip` times it."""
    if not early:
        size = min(size, clip * scale + _TINY)
    return np.float32(scale + rate * (size - scale))


@compiled_exactly
def _begin(s: Any, event_time: np.int64, value: float) -> None:
    s.last_seen = event_time
    s.last_value = value
    s.mean = value
    s.readings = np.float32(1.0)
    s.swept = np.uint16(event_time // _HOUR & 0xFFFF)


@compiled_exactly
def _half_octaves(noise: float, usual: float) -> int:
    """How loud it is, from 0 to 7: 4 is as usual, each step more is louder by the root of two."""
    louder = (noise + 0.02 * usual + _TINY) / (usual + _TINY)
    louder *= louder
    steps = 0
    for power in range(7):
        steps += louder >= 0.125 * (1 << power)
    return steps


@compiled_exactly
def _remember(s: Any, value_cell: int, jump_cell: int, trend_cell: int, hour_cell: int, noise_cell: int) -> None:
    one = np.uint64(1)
    s.value_seen |= one << np.uint64(value_cell)
    s.jump_seen |= one << np.uint64(jump_cell)
    s.trend_seen |= one << np.uint64(trend_cell)
    s.hour_seen |= one << np.uint64(hour_cell)
    s.noise_seen |= one << np.uint64(noise_cell)
    turn = s.turn % 5
    if turn == 0:
        cell = value_cell
    elif turn == 1:
        cell = jump_cell
    elif turn == 2:
        cell = trend_cell
    elif turn == 3:
        cell = hour_cell
    else:
        cell = noise_cell
    s.refreshed |= one << np.uint64(cell)


@compiled_exactly
def _stays(s: Any, same: bool, slow: float, most: float) -> float:
    """How unlikely it is that the value stays, told once: when it has stayed twice as long as ever before."""
    found = 0.0
    if same:
        run = min(s.run + 1, 65535)
        if run >= 8 and run & (run - 1) == 0 and run > 2 * s.longest and (run == 8 or run <= 4 * s.longest):
            found = min(-run * math.log(s.stay + _TINY), most)
        s.run = np.uint16(run)
        s.stay = np.float32(s.stay + slow * (1.0 - s.stay))
    else:
        s.longest = max(s.longest, s.run)
        s.run = np.uint16(0)
        s.stay = np.float32(s.stay - slow * s.stay)
    return found


@compiled_exactly
def _since_spike(s: Any, shifted: bool, noisy: bool) -> int:
    """What a spike turns out to have been, when the time to look has come; else NORMAL."""
    if s.after == _SHIFT_AFTER and shifted:
        s.after = np.uint8(0)
        return SHIFT
    if s.after == _NOISE_AFTER:
        s.after = np.uint8(0)
        return NOISE if noisy else NORMAL
    s.after += np.uint8(1)
    return NORMAL


@compiled_exactly
def judge(
    records: NDArray[np.void],
    at: NDArray[np.int32],
    event_time: Ints,
    value: Floats,
    low: Floats,
    high: Floats,
    online: Online,
    kind: NDArray[np.int8],
    score: NDArray[np.float32],
) -> None:
    """Judge readings one by one into `kind` and `score`, and move their series' `records`.

    `at` is each reading's place in `records`; `low` and `high` are per record, NaN for no limit.
    """
    one = np.uint64(1)
    for row in range(len(at)):
        place = at[row]
        s = records[place]
        t = event_time[row]
        v = value[row]
        score[row] = 0.0
        if not abs(v) < _MOST:  # nor NaN
            kind[row] = UNUSABLE
            continue
        c = float(s.readings)
        if c > 0.0 and t <= s.last_seen:
            kind[row] = REPEATED if t == s.last_seen else LATE
            continue
        out = v < low[place] or v > high[place]
        entered = out and s.outside == 0
        s.outside = np.uint16(out)
        hours = t // _HOUR
        if c == 0.0:
            _begin(s, t, v)
            kind[row] = LIMIT if out else NOT_JUDGED
            score[row] = online.limit_score if out else 0.0
            continue
        if s.since >= online.refresh_readings and (hours - s.swept) & 0xFFFF >= online.refresh_days * 24.0:
            _sweep(s, hours)
            c = float(s.readings)
        s.since = np.uint16(min(s.since + 1, 65535))
        elapsed = (t - s.last_seen) * 1e-6
        s.last_seen = t
        early = c < _FIRST
        first = 1.0 / (c + 1.0)
        slow = max(min(online.slow, s.interval * (1.0 / 86400.0)), first)

        # The cells that this reading falls into.
        spread = online.width * s.spread + _TINY
        away = v - s.mean
        held = away
        if not early:
            reach = online.reach * s.spread
            held = min(max(away, -reach), reach)
        jump = away - s.fast
        fast = s.fast + max(online.fast, first) * (held - s.fast)
        middle = s.middle + max(online.middle, first) * (held - s.middle)
        trend = fast - middle
        step = abs(v - s.last_value)
        noise = s.noise + max(online.noisy, first) * ((step if early else min(step, _LOUD * s.step + _TINY)) - s.noise)
        octave = _half_octaves(noise, s.step)
        by_eight = _cell(away, spread, 8)
        value_cell = _cell(away, spread, 64)
        jump_cell = _cell(jump, online.width * s.jump + _TINY, 32) * 2
        trend_cell = _cell(trend, online.width * s.trend + _TINY, 64)
        hour_cell = hours % 24 // 3 * 8 + by_eight
        noise_cell = octave * 8 + _cell(middle, spread, 8)

        # What is new about them.
        by_value = _news(c, s.value_seen, value_cell, 1)
        by_jump = _news(c, s.jump_seen, jump_cell, 2)
        by_trend = _news(c, s.trend_seen, trend_cell, 1)
        by_hour = by_noise = 0.0
        # An hour that was never seen before is no news; a value that it never had is.
        hour_seen = (s.hour_seen >> np.uint64(hour_cell & ~7)) & np.uint64(0xFF)
        if hour_seen and not hour_seen & (one << np.uint64(by_eight)):
            by_hour = _surprise(c, s.hour_seen)
        if not s.noise_seen & (one << np.uint64(noise_cell)):
            by_noise = _surprise(c, s.noise_seen)
        if abs(away) > online.record * s.extreme:
            by_value += math.log(c)
        s.extreme = np.float32(max(s.extreme, abs(away)))
        _remember(s, value_cell, jump_cell, trend_cell, hour_cell, noise_cell)
        by_stay = _stays(s, step == 0.0, slow, online.stay_most)

        # Means and scales move after the judgement.
        far = abs(jump) > online.far * s.jump
        s.spread = _moved(s.spread, abs(away), slow, online.clip, early)
        s.jump = _moved(s.jump, abs(jump), slow, online.clip, early)
        s.trend = _moved(s.trend, abs(trend), slow, online.clip, early)
        s.step = _moved(s.step, step, max(min(online.steps, 6.0 * slow), first), online.clip, early)
        s.interval = _moved(s.interval, elapsed, max(online.slow, 1.0 / c), online.clip, early)
        drift = slow * held
        s.mean += drift
        s.fast = np.float32(fast - drift)
        s.middle = np.float32(middle - drift)
        s.noise = np.float32(noise)
        s.last_value = v
        s.readings = np.float32(c + 1.0)

        # One number, and whether it is news.
        judged = c >= online.warm_up and (s.turn > 0 or (hours - s.swept) & 0xFFFF >= online.warm_up_hours)
        total = by_value + by_jump + by_trend + by_hour + by_noise + by_stay if judged else 0.0
        leads = total > online.news * s.peak
        fade = max(online.fade, 1.0 - s.interval / online.fade_s)
        s.peak = np.float32(max(s.peak * fade, total))
        s.raised = np.float32(max(s.raised - online.raise_by * online.alarms_a_day * elapsed * (1.0 / 86400.0), 0.0))
        bar = online.threshold + s.raised
        if total >= bar:
            bar += math.log(max(online.usual_s / max(s.interval, 1e-6), 1.0))
        if leads:
            score[row] = total
        if out:
            kind[row] = LIMIT if entered else ONGOING
            score[row] = online.limit_score if entered else score[row]
        elif not judged:
            kind[row] = NOT_JUDGED
        elif total >= bar and leads:
            s.raised = np.float32(min(s.raised + online.raise_by, online.raise_most))
            kind[row] = _kind(by_value, by_jump, by_trend, by_hour, by_noise, by_stay, far, octave)
            s.after = np.uint8(1 if kind[row] == SPIKE else 0)
            continue
        else:
            kind[row] = NORMAL if total < bar else ONGOING
        if s.after > 0:
            later = _since_spike(s, abs(trend) > online.shifted * s.trend, octave >= _LOUDER)
            if later != NORMAL:
                kind[row] = later
                score[row] = max(total, s.peak)


@compiled_exactly
def _kind(
    by_value: float,
    by_jump: float,
    by_trend: float,
    by_hour: float,
    by_noise: float,
    by_stay: float,
    far: bool,
    octave: int,
) -> int:
    """What an incident is called at its first reading; `far`: that it jumped away."""
    most = max(by_value, by_jump, by_trend, by_hour, by_noise, by_stay)
    if by_stay == most:
        return STUCK
    if far and by_jump + by_value > 0.0:
        return SPIKE
    if by_noise > 0.0 and octave >= _LOUDER:
        return NOISE
    if by_trend > 0.0:
        return SHIFT
    if by_hour == most:
        return PATTERN
    return DRIFT
