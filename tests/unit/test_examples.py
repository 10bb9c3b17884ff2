"""The recordings in examples/ are complete, labelled and movable in time."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from infra.examples import (
    FOLDER,
    RECORDINGS,
    load,
    shifted_to_end_at,
    windows,
    windows_shifted_to_end_at,
)
from sensors_io.reading import READING

END = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("machine_temperature_system_failure", 22_695),
        ("ambient_temperature_system_failure", 1_283),
        ("occupancy_6005", 2_380),
        ("speed_7578", 1_127),
    ],
)
def test_a_recording_loads_as_readings(name: str, rows: int) -> None:
    readings = load(name)
    assert readings.schema == READING
    assert readings.height == rows
    required = ["sensor_id", "sensor_type", "metric", "event_time", "value", "unit"]
    assert readings.select(required).null_count().row(0) == (0,) * len(required)
    assert readings["value"].is_finite().all()


def test_every_file_has_a_place_in_our_domain_and_labels() -> None:
    assert {path.stem for path in FOLDER.glob("*.csv")} == RECORDINGS.keys()
    assert all(windows(name) for name in RECORDINGS)
    assert len({recorded.sensor_id for recorded in RECORDINGS.values()}) == len(RECORDINGS)


@pytest.mark.parametrize("name", RECORDINGS)
def test_windows_lie_within_their_recording(name: str) -> None:
    times = load(name)["event_time"]
    for window in windows(name):
        assert window.start < window.end
        assert times.is_between(window.start, window.end).sum() > 10


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_shifted_recording_ends_at_the_given_time_and_keeps_its_shape(
    name: str,
) -> None:
    readings = load(name)
    moved = shifted_to_end_at(readings, END)
    assert moved["event_time"].max() == END
    assert moved.schema == READING
    assert moved.drop("event_time").equals(readings.drop("event_time"))
    assert moved["event_time"].diff().equals(readings["event_time"].diff())


def test_windows_move_with_their_readings() -> None:
    name = "speed_7578"
    readings, labelled = load(name), windows(name)
    moved = shifted_to_end_at(readings, END)
    for before, after in zip(labelled, windows_shifted_to_end_at(labelled, readings, END), strict=True):
        assert after.end - after.start == before.end - before.start
        inside = moved.filter(pl.col("event_time").is_between(after.start, after.end))["value"]
        assert inside.equals(readings.filter(pl.col("event_time").is_between(before.start, before.end))["value"])


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(ValueError, match="no readings"):
        shifted_to_end_at(load("speed_7578").clear(), END)
