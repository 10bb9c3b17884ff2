"""Statistics of two disjoint sets of readings put together, against those of all of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.history import first_pairs, united
from tests.readings import NOON

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9)


def statistics(numbers: list[float], *, start: datetime = NOON, sensor: str = "a") -> dict[str, Any]:
    return {
        "sensor_id": sensor,
        "sensor_type": "temperature",
        "metric": "temperature",
        "unit": "C",
        "count": len(numbers),
        "mean": fmean(numbers),
        "min": min(numbers),
        "max": max(numbers),
        "std": stdev(numbers) if len(numbers) > 1 else None,
        "last": numbers[-1],
        "last_at": start + timedelta(seconds=len(numbers) - 1),
    }


@given(values, values)
def test_two_halves_come_to_the_statistics_of_the_whole(old: list[float], new: list[float]) -> None:
    (found,) = united([statistics(new, start=NOON + timedelta(hours=1))], [statistics(old)])
    whole = statistics([*old, *new])
    for name in ("count", "mean", "min", "max", "std", "last"):
        assert found[name] == pytest.approx(whole[name], rel=1e-6, abs=1e-3)
    assert found["last_at"] == NOON + timedelta(hours=1, seconds=len(new) - 1)


def test_sensors_of_either_source_are_there_in_order() -> None:
    found = united([statistics([1.0], sensor="b")], [statistics([1.0], sensor="c"), statistics([1.0], sensor="a")])
    assert [row["sensor_id"] for row in found] == ["a", "b", "c"]


def test_a_page_ends_where_the_first_source_stopped() -> None:
    rows = [statistics([1.0], sensor=sensor) for sensor in "abcd"]
    kept, last = first_pairs(rows, [("b", "temperature")], limit=9)
    assert ([row["sensor_id"] for row in kept], last) == (["a", "b"], ("b", "temperature"))
    kept, last = first_pairs(rows, [], limit=3)
    assert ([row["sensor_id"] for row in kept], last) == (["a", "b", "c"], ("c", "temperature"))
    assert first_pairs(rows, [], limit=4) == (rows, None)
