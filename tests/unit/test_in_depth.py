"""A day held against its past: what is found, how it is called, and how often nothing is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.detectors.grid import LONGEST_GAP, lay
from assets.detectors.in_depth import MOST_PAST, US_PER_DAY, judge
from assets.detectors.kinds import Kind
from assets.detectors.spans import alarm_threshold, spans

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PER_DAY = 288
STEP = US_PER_DAY // PER_DAY
DAYS = 10
TODAY = (DAYS - 1) * US_PER_DAY


def rhythm(seed: int = 1, days: int = DAYS) -> tuple[Ints, Floats]:
    """A day's rhythm with noise, every five minutes."""
    at = np.arange(days * PER_DAY)
    return at * STEP, 20 + 3 * np.sin(2 * np.pi * at / PER_DAY) + np.random.default_rng(seed).normal(0, 0.3, len(at))


def spike(values: Floats) -> None:
    values[-100] += 15


def shift(values: Floats) -> None:
    values[-100:-20] += 9


def drift(values: Floats) -> None:
    values[-150:] += np.linspace(0, 18, 150)


def stuck(values: Floats) -> None:
    values[-120:-30] = values[-120]


def noise(values: Floats) -> None:
    values[-120:-30] += np.random.default_rng(9).normal(0, 4, 90)


@pytest.mark.parametrize(
    ("change", "kind"),
    [(spike, Kind.SPIKE), (shift, Kind.SHIFT), (drift, Kind.DRIFT), (stuck, Kind.STUCK), (noise, Kind.NOISE)],
)
def test_what_is_put_in_is_found_and_called_by_its_name(change: Callable[[Floats], None], kind: Kind) -> None:
    times, values = rhythm()
    before = values.copy()
    change(values)
    changed = np.flatnonzero(values != before)
    outcome = judge(times, values, TODAY, per_day=0.05)
    assert outcome
    (found,) = outcome.found
    assert found.kind is kind
    assert found.start <= changed[-1]
    assert found.end >= changed[0]
    assert found.start <= found.peak <= found.end
    assert found.score > 1


def test_a_spike_is_cut_down_to_itself() -> None:
    times, values = rhythm()
    spike(values)
    outcome = judge(times, values, TODAY, per_day=0.05)
    assert outcome
    (found,) = outcome.found
    assert found.start == found.peak == found.end == len(values) - 100


def test_of_days_like_the_others_hardly_any_is_abnormal() -> None:
    alarms = 0
    for seed in range(60):
        outcome = judge(*rhythm(seed), TODAY, per_day=0.05)
        assert outcome
        alarms += len(outcome.found)
    # 3 are wanted; more than 9 would come once in a thousand times.
    assert alarms <= 9


@pytest.mark.parametrize("days", [0, 1])
def test_a_short_past_is_not_judged(days: int) -> None:
    times, values = rhythm(days=2)
    assert judge(times, values, days * US_PER_DAY, per_day=0.05) is None


def test_a_day_without_readings_and_a_constant_past_are_not_judged() -> None:
    times, values = rhythm()
    assert judge(times, values, DAYS * US_PER_DAY, per_day=0.05) is None
    assert judge(times, np.full(len(values), 20.0), TODAY, per_day=0.05) is None


def test_a_gap_is_no_anomaly() -> None:
    times, values = rhythm()
    there = np.ones(len(times), bool)
    there[-200:-80] = False
    outcome = judge(times[there], values[there], TODAY, per_day=0.05)
    assert outcome
    assert outcome.found == ()


def test_irregular_readings_are_judged_as_well() -> None:
    times, values = rhythm()
    dice = np.random.default_rng(3)
    there = dice.random(len(times)) > 0.2
    there[-100] = True
    spike(values)
    jittered = np.sort(times + dice.integers(0, STEP // 3, len(times)))
    outcome = judge(jittered[there], values[there], TODAY, per_day=0.05)
    assert outcome
    (found,) = outcome.found
    assert values[there][found.peak] == values[-100]


def test_positions_are_those_of_the_whole_series_however_long_its_past() -> None:
    seconds = np.arange(MOST_PAST + 50_000) * 1_000_000
    values = np.random.default_rng(1).normal(0, 1, len(seconds))
    values[-5_000] += 40
    outcome = judge(seconds, values, int(seconds[-20_000]), per_day=0.05)
    assert outcome
    assert [(one.kind, one.peak) for one in outcome.found] == [(Kind.SPIKE, len(values) - 5_000)]


def test_readings_are_laid_on_the_usual_interval_and_long_gaps_are_cut_short() -> None:
    minutes = np.array([0, 1, 2, 2.1, 4, 100, 101, 102])
    grid = lay((minutes * 60e6).astype(np.int64), np.array([1.0, 2, 3, 5, 6, 7, 8, 9]))
    assert grid.at.tolist() == [0, 1, 2, 2, 4, 4 + LONGEST_GAP, 5 + LONGEST_GAP, 6 + LONGEST_GAP]
    assert grid.values[:5].tolist()[:3] == [1, 2, 4]
    assert np.isnan(grid.values[3])
    assert grid.step == 60e6


def test_one_reading_is_a_grid() -> None:
    grid = lay(np.array([5]), np.array([1.5]))
    assert (grid.values.tolist(), grid.at.tolist()) == ([1.5], [0])


def test_scores_above_a_threshold_are_one_span_unless_far_apart() -> None:
    scores = np.array([0, 5, 0, 7, 0, 0, 0, 0, 6, np.nan])
    found = spans(scores, 4, gap=2)
    assert [(one.start, one.peak, one.end) for one in found] == [(1, 3, 3), (8, 8, 8)]
    assert spans(scores, 9, gap=2) == []


def test_the_threshold_is_passed_as_often_as_wanted() -> None:
    scores = np.abs(np.random.default_rng(5).gumbel(5, 1, 100_000)) ** 3
    days = 500.0
    threshold = alarm_threshold(scores[:50_000], days / 2, per_day=0.5, gap=20)
    passed = len(spans(scores[50_000:], threshold, gap=20)) / (days / 2)
    assert 0.3 < passed < 0.8
    assert alarm_threshold(scores[:50_000], days / 2, per_day=0.05, gap=20) > threshold


def test_what_has_happened_before_is_told_again() -> None:
    times, values = rhythm()
    for ago in (0, 2, 5):
        values[-100 - ago * PER_DAY + 7 * ago] += 15
    outcome = judge(times, values, TODAY, per_day=0.05)
    assert outcome
    assert [(one.kind, one.peak) for one in outcome.found] == [(Kind.SPIKE, len(values) - 100)]


def test_a_threshold_needs_scores_of_some_time() -> None:
    assert np.isnan(alarm_threshold(np.zeros(1000), 10, per_day=0.1, gap=5))
    assert np.isnan(alarm_threshold(np.arange(500.0), 0.9, per_day=0.1, gap=40))
    assert np.isnan(alarm_threshold(np.arange(20.0), 9, per_day=0.1, gap=40))
    assert np.isnan(alarm_threshold(np.full(1000, np.nan), 10, per_day=0.1, gap=5))


@given(
    st.lists(st.floats(-1e300, 1e300) | st.sampled_from([0.0, 1.0, 1e-300]), min_size=2, max_size=600),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_no_readings_stop_the_others_from_being_judged(values: list[float], seed: int, since: float) -> None:
    dice = np.random.default_rng(seed)
    times = np.cumsum(dice.choice([1, 1_000_000, 60_000_000, US_PER_DAY], len(values)))
    at = int(times[0] + since * (times[-1] - times[0]))
    outcome = judge(times, np.array(values), at, per_day=0.05)
    for one in outcome.found if outcome else ():
        assert np.searchsorted(times, at) <= one.start <= one.peak <= one.end < len(values)
        assert np.isfinite(one.score)
