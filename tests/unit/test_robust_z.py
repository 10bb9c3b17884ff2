"""The robust z-score, and what it does not judge."""

from __future__ import annotations

import polars as pl
import pytest

from assets.detectors.robust_z import robust_z


def series(*values: float, sensor: str = "probe-1") -> pl.DataFrame:
    return pl.DataFrame({"sensor_id": [sensor] * len(values), "metric": ["m"] * len(values), "value": list(values)})


PAST = series(*[float(value % 7) for value in range(70)])


def test_a_value_far_from_the_past_scores_its_distance_in_sigmas() -> None:
    scored = robust_z(series(3.0, 100.0), PAST)
    # Median 3, median absolute deviation 2.
    assert scored.get_column("score").to_list() == pytest.approx([0.0, 97 / (2 * 1.4826)])


def test_a_short_past_is_not_judged() -> None:
    assert robust_z(series(100.0), PAST.head(29)).get_column("score").to_list() == [None]


def test_a_past_that_does_not_vary_is_not_judged() -> None:
    assert robust_z(series(100.0), series(*[5.0] * 50)).get_column("score").to_list() == [None]


def test_a_sensor_is_held_against_its_own_past_only() -> None:
    scored = robust_z(series(100.0, sensor="other"), PAST)
    assert scored.get_column("score").to_list() == [None]
