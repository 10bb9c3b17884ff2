"""Readings are watched while they are drained: nothing is seen twice or skipped, and what stands out is kept."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.readings import NOON, publish_readings, reading, readings_of, warehouse_rows
from tests.watched import remembered, replayed

# Two hundred readings are two days: the first day is not judged.
EVERY = timedelta(minutes=15)
START = NOON - timedelta(days=30)
_EPISODES = "select sensor_id, kind, tier, started_at from episodes where peak_value = 95"


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    """Settings under which a drain takes many small slices and ends as soon as it has caught up."""
    return settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.1, "slice_rows": 70, "lake_flush_s": 0.0})


def published(settings: Settings, values: dict[str, np.ndarray], *, first: int = 0) -> None:
    """Put a reading of each sensor on the topic for each quarter of an hour."""
    readings = [
        reading(name, at=START + (first + at) * EVERY, value=float(value))
        for at in range(len(next(iter(values.values()))))
        for name, value in ((name, series[at]) for name, series in values.items())
    ]
    publish_readings(settings, readings, per_message=7)


def drained(settings: Settings) -> None:
    drain(settings, readings_of(settings), open_lake(settings), run_id="watched")


def normal(sensors: int, count: int, seed: int = 1) -> dict[str, np.ndarray]:
    dice = np.random.default_rng(seed)
    return {f"probe-{one}": 20 + dice.normal(0, 0.5, count) for one in range(sensors)}


def test_many_slices_and_runs_remember_what_one_would(brisk: Settings) -> None:
    first, second = normal(5, 80), normal(5, 60, seed=2)
    published(brisk, first)
    drained(brisk)
    published(brisk, second, first=80)
    drained(brisk)
    assert len(remembered(brisk)) > 1
    assert remembered(brisk) == replayed(brisk)
    apart = "select count(*) from detector_state join ledger using (topic_id, partition, next_offset)"
    assert warehouse_rows(brisk, apart) == [(len(remembered(brisk)),)]


def test_what_stands_out_is_an_episode_of_its_sensor(brisk: Settings) -> None:
    values = normal(3, 200)
    values["probe-1"][150] = 95.0
    published(brisk, values)
    drained(brisk)
    assert warehouse_rows(brisk, _EPISODES) == [("probe-1", "spike", "online", START + 150 * EVERY)]


def test_an_incident_that_goes_on_in_a_later_run_is_the_same_episode(brisk: Settings) -> None:
    before, after = normal(1, 200), normal(1, 40, seed=2)
    before["probe-0"][195:] += 40
    after["probe-0"][:5] += 40
    published(brisk, before)
    drained(brisk)
    ((ended,),) = warehouse_rows(brisk, "select max(ended_at) from episodes")
    begun = warehouse_rows(brisk, "select count(*) from episodes")
    published(brisk, after, first=200)
    drained(brisk)
    ((later,),) = warehouse_rows(brisk, "select max(ended_at) from episodes")
    assert begun[0][0] >= 1
    assert later > ended


def test_a_memory_that_can_not_be_read_begins_anew(brisk: Settings) -> None:
    published(brisk, normal(2, 30))
    drained(brisk)
    warehouse_rows(brisk, "update detector_state set state = 'junk' returning 1")
    published(brisk, normal(2, 30, seed=2), first=30)
    drained(brisk)
    assert all(len(state) > 100 for state in remembered(brisk).values())
