"""The batch detector: what it promises of any series, and that what is odd in made ones ranks highest."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assets.detectors.batch import score
from assets.detectors.compiled import compiled
from assets.detectors.period import find_period
from assets.detectors.windows import BINS, lay, nearest, spread

Floats = npt.NDArray[np.float64]
TRAIN = 1_000


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Compiling takes seconds, once per machine: no single test pays for it."""
    score(np.random.default_rng(0).normal(size=200), 20)


def season(points: int = 4_000, period: int = 50, noise: float = 0.05) -> Floats:
    rng = np.random.default_rng(7)
    at = 2 * np.pi * np.arange(points) / period
    return np.sin(at) + 0.4 * np.sin(2 * at + 1) + noise * rng.normal(size=points)


def noise(points: int = 4_000) -> Floats:
    return np.random.default_rng(8).normal(size=points)


def spike(x: Floats) -> None:
    x[3_000] += 8


def odd_beat(x: Floats) -> None:
    x[3_000:3_050] = x[3_000:3_050][::-1].copy()


def stuck(x: Floats) -> None:
    x[2_950:3_050] = x[2_950]


def shift(x: Floats) -> None:
    x[2_950:3_050] += 3


def drift(x: Floats) -> None:
    x[2_900:3_100] += np.linspace(0, 4, 200)


def restless(x: Floats) -> None:
    x[2_950:3_050] += np.random.default_rng(9).normal(size=100)


@pytest.mark.parametrize("train", [0, TRAIN])
@pytest.mark.parametrize("window", [0, 50])
@pytest.mark.parametrize("spoil", [spike, odd_beat, stuck, shift, drift, restless])
def test_what_breaks_a_season_ranks_highest(spoil, window: int, train: int) -> None:  # type: ignore[no-untyped-def]
    x = season()
    spoil(x)
    assert 2_850 <= np.argmax(score(x, window, train)) <= 3_150


@pytest.mark.parametrize("spoil", [stuck, shift, restless, spike])
def test_what_breaks_noise_ranks_highest(spoil) -> None:  # type: ignore[no-untyped-def]
    x = noise()
    spoil(x)
    assert 2_850 <= np.argmax(score(x, 50, TRAIN)) <= 3_150


def test_a_new_level_that_lasts_is_odd_beside_the_normal_reference() -> None:
    x = noise()
    x[2_000:2_800] += 4
    scores = score(x, 50, TRAIN)
    assert scores[2_100:2_700].min() > scores[:1_900].max()


def test_the_series_is_left_as_it_was_and_the_same_answer_comes_again() -> None:
    x = season()
    x.flags.writeable = False
    before = x.copy()
    assert np.array_equal(score(x, 50, TRAIN), score(x, 50, TRAIN))
    assert np.array_equal(x, before)


@pytest.mark.parametrize(("scale", "shift_by"), [(1e-9, 0.0), (1e12, 0.0), (1.0, 100.0), (-3.0, 7.0)])
def test_another_unit_gives_the_same_scores(scale: float, shift_by: float) -> None:
    x = season()
    odd_beat(x)
    assert score(x * scale + shift_by, 50, TRAIN) == pytest.approx(score(x, 50, TRAIN), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("points", [0, 1, 2, 3, 35])
def test_a_series_too_short_to_judge_scores_zero(points: int) -> None:
    assert score(noise(points)).tolist() == [0.0] * points


def test_the_shortest_series_that_is_judged_shows_its_spike() -> None:
    x = noise(36)
    x[20] = 50.0
    assert abs(int(np.argmax(score(x))) - 20) <= 12


def test_one_point_that_cannot_be_foreseen_is_the_highest_itself() -> None:
    x = season()
    spike(x)
    assert np.argmax(score(x, 50, TRAIN)) == 3_000


def test_a_list_of_whole_numbers_is_a_series() -> None:
    assert score([1, 2, 3] * 20).shape == (60,)


@pytest.mark.parametrize("value", [0.0, 5.0, -1e300, 5e-324])
def test_a_constant_scores_zero(value: float) -> None:
    assert score(np.full(500, value), 0, 100).tolist() == [0.0] * 500


def test_nothing_but_missing_values_scores_zero() -> None:
    assert score(np.full(500, np.nan)).tolist() == [0.0] * 500


def test_missing_values_are_bridged() -> None:
    x = season()
    spike(x)
    x[1_500:1_510] = np.nan
    x[2_000] = np.inf
    scores = score(x, 50, TRAIN)
    assert np.isfinite(scores).all()
    assert 2_950 <= np.argmax(scores) <= 3_050


def test_a_gap_between_the_largest_numbers_is_bridged_too() -> None:
    x = np.where(np.arange(200) % 2 == 0, 1.7e308, -1.7e308)
    x[50:60] = np.nan
    assert np.isfinite(score(x)).all()


def test_small_changes_of_a_large_value_are_seen() -> None:
    x = 1e9 + 1e-3 * noise()
    x[3_000] += 1.0
    assert np.argmax(score(x, 50, TRAIN)) == 3_000


def test_a_reference_that_never_varies_is_no_division_by_zero() -> None:
    x = noise()
    x[:TRAIN] = 0.0
    assert np.isfinite(score(x, 50, TRAIN)).all()


def test_where_no_machine_code_can_be_kept_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def read_only(*, cache: bool = False, **options: bool) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", read_only)

    def double(x: float) -> float:
        return 2 * x

    assert compiled(double)(1.5) == 3.0


def test_nearest_is_the_mean_distance_of_three_that_do_not_overlap() -> None:
    shapes = np.random.default_rng(3).normal(size=(100, BINS)).astype(np.float32)
    rows = np.arange(0, 100, 7)
    apart = [[row for row in rows if abs(row - at) >= BINS] for at in range(100)]
    expected = [np.sort(np.linalg.norm(shapes[far] - shapes[at], axis=1))[:3].mean() for at, far in enumerate(apart)]
    assert nearest(shapes, rows) == pytest.approx(expected, rel=1e-4)


def test_where_all_references_overlap_nothing_is_far() -> None:
    shapes = np.random.default_rng(3).normal(size=(BINS, BINS)).astype(np.float32)
    assert nearest(shapes, np.arange(BINS)).tolist() == [0.0] * BINS


@pytest.mark.parametrize(("points", "length"), [(36, 12), (1_000, 50), (1_003, 333), (997, 5)])
def test_windows_end_with_the_newest_point(points: int, length: int) -> None:
    windows = lay(noise(points), length)
    assert windows.offset + (len(windows) - 1) * windows.width + windows.length == points
    assert windows.within(points) == len(windows)
    assert windows.within(windows.offset + windows.length) == 1
    assert windows.within(windows.length - 1) == 0


def test_a_windows_score_lies_over_its_points() -> None:
    windows = lay(noise(1_000), 60)
    scores = np.zeros(len(windows))
    scores[50] = 1.0
    start = windows.offset + 50 * windows.width
    over = spread(windows, scores, 1_000)
    assert start <= np.argmax(over) < start + windows.length
    assert over.sum() == pytest.approx(windows.width, rel=0.05)


@pytest.mark.parametrize("period", [7, 24, 50, 288])
def test_the_period_is_found_in_noise(period: int) -> None:
    assert abs(find_period(season(8_000, period, 0.3), 125) - period) <= 1


def test_noise_and_constants_may_have_no_period() -> None:
    assert find_period(np.zeros(500), 125) == 125
    assert find_period(np.arange(500.0), 125) == 125


@given(
    arrays(
        np.float64,
        st.integers(0, 300),
        elements=st.one_of(
            st.floats(allow_nan=True, allow_infinity=True),
            st.sampled_from([0.0, 1.0, 1e308, -1e308]),
        ),
    ),
    st.integers(-5, 1_000),
    st.integers(-5, 1_000),
)
@settings(max_examples=150, deadline=None)
def test_any_series_gets_a_finite_score_for_each_point(x: Floats, window: int, train: int) -> None:
    scores = score(x, window, train)
    assert scores.shape == x.shape
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
