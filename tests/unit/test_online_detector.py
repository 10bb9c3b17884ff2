"""The online detector: what it finds in made series, and that slicing, bytes and bad clocks change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.detectors.online import NO_LIMITS, Found, Limits, silent, step
from assets.detectors.online_settings import Kind, Online
from assets.detectors.online_state import Floats, Ints, State, StateUnreadable

MINUTE = 60_000_000
DAY = 1440


def times(readings: int, *, start: int = 0, every: int = MINUTE) -> Ints:
    return (np.arange(start, start + readings) * every).astype(np.int64)


def one(
    value: Floats, *, state: State | None = None, start: int = 0, limits: Limits | None = None
) -> tuple[State, Found]:
    """A series alone, a reading a minute."""
    series = np.full(len(value), 7, np.int64)
    return step(state or State.empty(), series, times(len(value), start=start), value, limits=limits or NO_LIMITS)


def calm(readings: int, seed: int = 0) -> Floats:
    """A day's curve with some noise."""
    random = np.random.default_rng(seed)
    return 20 + 3 * np.sin(2 * np.pi * np.arange(readings) / DAY) + 0.2 * random.standard_normal(readings)


def told(found: Found, start: int = 0) -> list[tuple[int, Kind]]:
    """Where and as what something was told, from `start` on."""
    return [(int(row), Kind(found.kind[row])) for row in np.flatnonzero(found.is_anomaly) if row >= start]


def equal(some: Found, other: Found) -> bool:
    return some.kind.tobytes() == other.kind.tobytes() and some.score.tobytes() == other.score.tobytes()


def joined(parts: list[Found]) -> Found:
    return Found(np.concatenate([one.kind for one in parts]), np.concatenate([one.score for one in parts]))


@st.composite
def logs(draw: st.DrawFn) -> tuple[Ints, Ints, Floats, list[int]]:
    """Readings of a few series with late, repeated and unusable ones among them, and where to cut them."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    readings = draw(st.integers(1, 400))
    series = random.integers(-3, draw(st.integers(-2, 6)), readings)
    event_time = np.cumsum(random.integers(-1, 5, readings)) * draw(
        st.sampled_from([1, 1_000_000, 40 * MINUTE, 10**12])
    )
    value = random.choice([random.standard_normal(readings), random.integers(0, 3, readings)])
    value[random.random(readings) < 0.05] = random.choice([np.nan, np.inf, -np.inf, 1e300, -1e18, 0.0])
    cuts = sorted(draw(st.lists(st.integers(0, readings), max_size=6)))
    return series, event_time.astype(np.int64), value.astype(np.float64), cuts


@given(logs())
@settings(max_examples=150, deadline=None)
def test_slices_of_any_size_give_the_same_to_the_bit(log: tuple[Ints, Ints, Floats, list[int]]) -> None:
    series, event_time, value, cuts = log
    online = Online(warm_up=10, warm_up_hours=0, threshold=3)
    whole, found = step(State.empty(), series, event_time, value, online=online)
    state, parts = State.empty(), []
    for start, end in zip([0, *cuts], [*cuts, len(series)], strict=True):
        state, part = step(
            State.from_bytes(state.to_bytes()),
            series[start:end],
            event_time[start:end],
            value[start:end],
            online=online,
        )
        parts.append(part)
    assert state.to_bytes() == whole.to_bytes()
    assert equal(joined(parts), found)
    assert np.isfinite(found.score).all()


def test_a_series_is_judged_alike_whoever_else_is_in_the_slice() -> None:
    rows = 3000
    alone = one(calm(rows))[1]
    series = np.tile(np.array([7, 1, 99], np.int64), rows)
    value = np.stack([calm(rows), calm(rows, 1) * 50, np.arange(rows) % 5.0], axis=1).ravel()
    _, found = step(State.empty(), series, np.repeat(times(rows), 3), value)
    assert equal(Found(found.kind[::3], found.score[::3]), alone)


def test_the_state_that_was_given_is_left_as_it_is() -> None:
    state, _ = one(calm(500))
    before = state.to_bytes()
    one(calm(500), state=state, start=500)
    assert state.to_bytes() == before


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 series, 1 event times and 2 values"):
        step(State.empty(), np.zeros(2, np.int64), np.zeros(1, np.int64), np.zeros(2))


@given(st.binary(max_size=300))
def test_bytes_that_are_no_state_are_refused(data: bytes) -> None:
    with pytest.raises(StateUnreadable):
        State.from_bytes(data)


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_state_in_which_a_byte_is_wrong_is_refused(place: int, change: int) -> None:
    data = bytearray(one(calm(200))[0].to_bytes())
    data[place % len(data)] ^= change
    with pytest.raises(StateUnreadable):
        State.from_bytes(bytes(data))


def test_a_state_of_another_version_is_refused_by_its_number() -> None:
    data = bytearray(State.empty().to_bytes())
    data[4] = 9
    with pytest.raises(StateUnreadable, match="version 9"):
        State.from_bytes(bytes(data))


def test_a_state_is_small() -> None:
    state, _ = step(State.empty(), np.arange(1000), np.zeros(1000, np.int64), np.zeros(1000))
    assert len(state.to_bytes()) <= 145 * 1000


def test_the_first_readings_are_not_judged_rather_than_normal() -> None:
    value = calm(DAY + 60)
    value[50] = 1000.0
    _, found = one(value)
    assert set(found.kind[:DAY]) == {Kind.NOT_JUDGED}
    assert not found.score[:DAY].any()
    assert found.kind[-1] == Kind.NORMAL


def test_late_repeated_and_unusable_readings_are_named_and_move_nothing() -> None:
    state, _ = one(calm(3000))
    event_time = np.array([2990, 2999, 2999, 3000, 3001, 3002], np.int64) * MINUTE
    value = np.array([500.0, 500.0, 20.0, np.nan, -np.inf, 1e31])
    after, found = step(state, np.full(6, 7, np.int64), event_time, value)
    assert list(found.kind) == [Kind.LATE, Kind.REPEATED, Kind.REPEATED, Kind.UNUSABLE, Kind.UNUSABLE, Kind.UNUSABLE]
    assert not found.score.any()
    assert after.to_bytes() == state.to_bytes()


def test_a_log_that_is_read_again_alarms_once() -> None:
    value = calm(3000)
    value[2500] += 40
    state, first = one(value)
    again = one(value, state=state)[1]
    assert told(first, 2400)
    assert not again.is_anomaly.any()


def test_a_spike_is_told_at_once_and_once() -> None:
    value = calm(3 * DAY)
    value[4000] += 15
    found = one(value)[1]
    assert told(found, 2 * DAY)[0] == (4000, Kind.SPIKE)
    assert len(told(found, 4000)) == 1


@pytest.mark.parametrize("away", [8.0, -8.0])
def test_a_level_that_shifts_is_told_at_once_and_named_soon(away: float) -> None:
    value = calm(3 * DAY)
    value[4000:] += away
    found = told(one(value)[1], 4000)
    assert found[0] == (4000, Kind.SPIKE)
    assert (4008, Kind.SHIFT) in found


def test_a_spike_of_the_same_height_is_told_again_when_the_last_was_months_ago() -> None:
    value = calm(120 * DAY)[::10].copy()
    value[[1000, 16_000]] += 15
    series = np.full(len(value), 7, np.int64)
    found = told(step(State.empty(), series, times(len(value), every=10 * MINUTE), value)[1])
    assert (1000, Kind.SPIKE) in found
    assert (16_000, Kind.SPIKE) in found


def test_a_value_that_drifts_away_is_told() -> None:
    value = calm(4 * DAY)
    value[4000:5000] += np.linspace(0, 15, 1000)
    found = told(one(value)[1], 4000)
    assert found
    assert found[0][0] < 4500
    assert found[0][1] in (Kind.DRIFT, Kind.SHIFT, Kind.PATTERN)


def test_noise_that_grows_is_told() -> None:
    value = calm(3 * DAY)
    value[4000:] += 3 * np.random.default_rng(5).standard_normal(len(value) - 4000)
    assert told(one(value)[1], 4000)[0][0] < 4100


def test_a_value_that_stays_is_told_as_stuck() -> None:
    value = calm(3 * DAY)
    value[4000:4200] = value[4000]
    found = told(one(value)[1], 4000)
    assert found[0][1] == Kind.STUCK
    assert found[0][0] < 4020


def test_a_value_that_often_stays_is_not_stuck() -> None:
    value = np.round(np.repeat(calm(600), 10), 1).astype(np.float64)
    found = one(value)[1]
    assert found.count(Kind.STUCK) == 0


def test_a_series_that_never_moves_is_never_told() -> None:
    assert not one(np.full(5000, 21.5))[1].is_anomaly.any()


def test_limits_are_told_when_they_are_left_even_in_the_first_readings() -> None:
    limits = Limits(np.array([3, 7], np.int64), np.array([0.0, np.nan]), np.array([1.0, 30.0]))
    found = one(np.array([20.0, 31.0, 32.0, 20.0, 40.0, -1e9]), limits=limits)[1]
    assert list(found.kind) == [
        Kind.NOT_JUDGED,
        Kind.LIMIT,
        Kind.ONGOING,
        Kind.NOT_JUDGED,
        Kind.LIMIT,
        Kind.NOT_JUDGED,
    ]


def test_a_series_that_keeps_alarming_has_its_threshold_raised() -> None:
    value = np.exp(np.random.default_rng(3).standard_cauchy(40_000).clip(-50, 50))
    series = np.full(len(value), 7, np.int64)
    _, raised = step(State.empty(), series, times(len(value)), value)
    _, level = step(State.empty(), series, times(len(value)), value, online=Online(raise_by=0))
    assert 0 < raised.is_anomaly.sum() < level.is_anomaly.sum()


def test_a_sensor_that_used_to_talk_is_silent_after_a_while() -> None:
    series = np.tile(np.array([1, 2], np.int64), 50)
    event_time = np.repeat(times(50), 2)
    event_time[1::2] *= 60
    state, _ = step(State.empty(), series, event_time, np.zeros(100))
    state, _ = step(state, np.array([3], np.int64), np.array([0], np.int64), np.zeros(1))
    assert list(silent(state, 60 * MINUTE)) == []
    assert list(silent(state, 60 * MINUTE + 49 * MINUTE)) == [1]
    assert list(silent(state, 10 * 365 * DAY * MINUTE)) == [1, 2]
