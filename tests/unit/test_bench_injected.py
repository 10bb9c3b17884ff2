"""Injected anomalies and false alarms: that what is counted is what was done to the series."""

from __future__ import annotations

import numpy as np
import pytest

from bench import anomaly_report, injected
from bench.alarms import alarms
from bench.episodes import Episode, Told, tell
from bench.injected import Outcome
from bench.nab import Series

MINUTE = 60_000_000
READINGS = 4000


def series(*windows: tuple[int, int], readings: int = READINGS) -> Series:
    """A reading a minute around 20; the windows are numbered."""
    window = np.full(readings, -1)
    for number, (start, end) in enumerate(windows):
        window[start:end] = number
    values = 20 + np.random.default_rng(3).standard_normal(readings)
    nothing = np.zeros(readings)
    return Series("real/a.csv", np.arange(readings) * MINUTE, values, window, nothing, nothing > -1)


def told(*at: int, readings: int = READINGS) -> Told:
    return Told([Episode("spike", one) for one in at], np.arange(readings) >= 1440)


def change(kind: str, size: float) -> np.ndarray:
    values = np.arange(250) % 5 + 0.0
    return injected.injected(kind, values, size, 2.0, np.random.default_rng(1)) - values


def test_a_spike_is_one_reading() -> None:
    by = change("spike", 4)
    assert abs(by[0]) == 8
    assert not by[1:].any()


def test_a_shift_stays() -> None:
    assert np.array_equal(abs(change("shift", 4)), np.full(250, 8.0))


def test_a_drift_gets_there_by_and_by_and_stays() -> None:
    by = abs(change("drift", 4))
    assert by[0] == pytest.approx(8 / 200)
    assert by[99] == pytest.approx(4)
    assert (by[199:] == 8).all()


def test_noise_ends() -> None:
    by = change("noise", 4)
    assert np.std(by[:100]) == pytest.approx(8, rel=0.2)
    assert not by[100:].any()


def test_a_value_that_is_stuck_is_the_first_one() -> None:
    stuck = injected.injected("stuck", np.arange(250.0) + 7, 25, 2.0, np.random.default_rng(1))
    assert (stuck[:25] == 7).all()
    assert stuck[25] == 32


def test_places_are_judged_and_far_from_labels_and_from_what_was_told() -> None:
    starts = injected.possible(series((2500, 2600)), told(3500))
    assert starts.min() == 26 * 60
    assert not set(starts) & set(range(2500 - 249, 2600 + 300))
    assert not set(starts) & set(range(3501, 3801))
    assert {2250, 2900, 3500} <= set(starts)
    assert starts.max() < READINGS - 250


def test_what_is_told_of_a_series_begins_at_the_reading_that_tells_it() -> None:
    mine = series()
    values = mine.values.copy()
    values[2000] += 50
    (found,) = tell([mine.times], [values])
    assert Episode("spike", 2000) in found.episodes
    assert not found.is_judged[:1440].any()
    assert found.is_judged[1500:].all()


def test_far_spikes_are_told_at_once_and_silence_after_twenty_intervals() -> None:
    mine = [series()]
    places = injected.places(mine, tell([mine[0].times], [mine[0].values]))
    found = injected.outcomes(places)
    assert len(places) == 4
    far = [one for one in found if (one.kind, one.size) == ("spike", 16)]
    assert [(one.told, one.delay, one.is_beyond) for one in far] == [("spike", 0, True)] * 4
    silent = [(one.size, one.told, one.delay) for one in found if one.kind == "drop-out"]
    assert silent[::4] == [(10, None, None), (30, "silent", 21), (100, "silent", 21)]


def test_false_alarms_are_those_outside_of_windows_and_delays_count_from_their_start() -> None:
    found = alarms(series((2000, 2200), (3000, 3100)), told(1500, 2060, 2100, 2200))
    assert found.false == 2
    assert found.delays == [(60, 1.0), None]
    assert found.days == pytest.approx((READINGS - 1440 - 300) / 1440)


def test_the_report_counts_what_was_told_as_what() -> None:
    spikes = [Outcome("spike", 4, name, None, False, False) for name in ("spike", "spike", "shift", None)]
    rest = [Outcome(kind, sizes[0], None, None, False, False) for kind, sizes in injected.SIZES.items()][1:]
    assert "| spike | 50 % | 25 % | 0 % | 0 % | 0 % | 0 % | 0 % | 25 % |" in anomaly_report.confusion(spikes + rest)
    assert "| spike | 4 σ: 75 % of 4 | – | – | 0 % | – | – |" in anomaly_report.recalls(spikes + rest, 1)
