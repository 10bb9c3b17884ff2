"""What becomes of a reading, case by case: docs/readings.md links here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from assets.partition_keys import Key
from assets.readings import judge, stage, to_judge
from assets.resources import House
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.episodes import steady
from tests.readings import NOON, lake_rows, publish_readings, reading, readings_of, warehouse_rows
from warehouse.database import connect

BRISK = {"slice_s": 0.2, "lake_flush_s": 0.0, "linger_s": 0.0, "judge_s": 0.0}


def sent(settings: Settings, *readings: dict[str, Any]) -> None:
    """Publish readings, drain them, stage what they touched, and judge what waits for it."""
    brisk = settings.model_copy(update=BRISK)
    publish_readings(brisk, readings)
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")
    keys = [
        Key(*row) for row in warehouse_rows(brisk, "select distinct sensor_type, day from touched_keys order by 1, 2")
    ]
    house = House(brisk)
    list(stage(house, keys))
    with connect(brisk.database_url) as connection:
        waiting = to_judge(house, connection)
    list(judge(house, waiting))


def staged(settings: Settings) -> list[tuple[Any, ...]]:
    rows = lake_rows(settings, "readings").sort("event_time", "sensor_id")
    return rows.select("sensor_id", "value", "duplicates", "revisions").rows()


def seen(settings: Settings) -> list[tuple[Any, ...]]:
    """What the warehouse shows as the current values."""
    return warehouse_rows(settings, "select sensor_id, value from readings order by event_time, sensor_id")


def counts(settings: Settings) -> list[tuple[Any, ...]]:
    return warehouse_rows(settings, "select raw, staged, duplicates, revisions from staged_keys order by day")


def test_readings_of_one_time_from_two_sensors_are_two(settings: Settings) -> None:
    sent(settings, reading("a", value=1.0), reading("b", value=2.0), reading("a", value=3.0, metric="inner"))
    assert counts(settings) == [(3, 3, 0, 0)]
    assert seen(settings) == [("a", 3.0), ("a", 1.0), ("b", 2.0)]
    assert len(staged(settings)) == 3


def test_the_same_reading_again_is_a_duplicate(settings: Settings) -> None:
    sent(settings, reading(value=1.0))
    sent(settings, reading(value=1.0), reading(value=1.0))
    assert staged(settings) == [("probe-1", 1.0, 2, 0)]
    assert counts(settings) == [(3, 1, 2, 0)]


def test_a_revised_reading_takes_the_place_of_the_older_one_which_stays_raw(settings: Settings) -> None:
    sent(settings, reading(value=1.0))
    sent(settings, reading(value=2.0))
    assert staged(settings) == [("probe-1", 2.0, 0, 1)]
    assert seen(settings) == [("probe-1", 2.0)]
    assert counts(settings) == [(2, 1, 0, 1)]
    assert warehouse_rows(settings, "select value from raw_readings order by ingested_at") == [(1.0,), (2.0,)]


def test_a_reading_that_goes_back_to_its_first_value_is_revised_twice(settings: Settings) -> None:
    sent(settings, reading(value=1.0), reading(value=2.0))
    sent(settings, reading(value=1.0))
    assert staged(settings) == [("probe-1", 1.0, 0, 2)]
    assert seen(settings) == [("probe-1", 1.0)]


def test_readings_out_of_order_come_to_the_same_as_in_order(settings: Settings) -> None:
    later, earlier = reading(at=NOON + timedelta(minutes=1), value=2.0), reading(value=1.0)
    sent(settings, later)
    sent(settings, earlier)
    assert staged(settings) == [("probe-1", 1.0, 0, 0), ("probe-1", 2.0, 0, 0)]
    assert seen(settings) == [("probe-1", 1.0), ("probe-1", 2.0)]
    assert counts(settings) == [(2, 2, 0, 0)]


def test_a_late_reading_has_the_days_after_its_own_judged_anew(settings: Settings) -> None:
    first, _, *later = (steady(days=1, until=NOON - timedelta(days=ago)) for ago in (3, 2, 1, 0))
    spike = reading(at=NOON, value=99.0)
    sent(settings, *first, *(one for day in later for one in day), spike)
    seen_of = "select day, series from judged_keys order by day"
    before = dict(warehouse_rows(settings, seen_of))
    sent(settings, reading(at=NOON - timedelta(days=2, hours=5), value=20.0))
    after = dict(warehouse_rows(settings, seen_of))
    assert [day.day for day in after if after[day] != before.get(day)] == [18, 19, 20]
    assert warehouse_rows(settings, "select kind, peak_value from episodes where tier = 'batch'") == [("spike", 99.0)]


def test_a_cold_reading_is_in_the_lake_and_not_in_the_warehouse(settings: Settings) -> None:
    sent(settings, reading(at=NOON - timedelta(days=500)), reading())
    assert len(staged(settings)) == 2
    assert counts(settings) == [(1, 1, 0, 0), (1, 1, 0, 0)]
    assert warehouse_rows(settings, "select day from raw_readings") == [(NOON.date(),)]
    assert warehouse_rows(settings, "select sum(rows), sum(cold) from ledger") == [(2, 1)]


def test_a_reading_from_the_future_is_a_dead_letter(settings: Settings) -> None:
    sent(settings, reading(at=datetime.now(UTC) + timedelta(hours=2)))
    assert warehouse_rows(settings, "select count(*) from dead_letters") == [(1,)]
    assert counts(settings) == []


def test_the_counts_are_in_the_metadata_of_the_materialization(settings: Settings) -> None:
    brisk = settings.model_copy(update=BRISK)
    publish_readings(brisk, [reading(value=1.0), reading(value=1.0), reading(value=2.0)])
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")
    made = list(stage(House(brisk), [Key("temperature", NOON.date())]))
    told = {name: value.value for name, value in made[0].metadata.items()}
    assert isinstance(made[0], dg.AssetMaterialization)
    assert (told["raw"], told["staged"], told["duplicates"], told["revisions"]) == (3, 1, 1, 1)
    assert (told["rows_read"], told["rows_added"], told["rows_changed"]) == (3, 1, 0)
