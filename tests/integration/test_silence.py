"""Sensors that used to talk and are silent: told once, for as long as it lasts, and never because of a backlog."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.resources import House
from assets.silence import Told, tell_silent
from assets.watching import watch_readings
from orchestration.sensors import silent_sensors
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.feeds import readings_feed
from sensors_io.lake import open_lake
from tests.readings import SENSOR_TYPES, publish_readings, reading, warehouse_rows
from warehouse.watching import Watcher

MINUTE = timedelta(minutes=1)
# Their messages are in the same partition.
SILENT, TALKING = "probe-0", "probe-00"
_TOLD = "select sensor_id, started_at, peak_at, ended_at, readings, peak_score, peak_value from episodes"


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    """Settings under which a drain ends as soon as it has caught up."""
    return settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.1, "lake_flush_s": 0.0, "topic_partitions": 1})


def ago(span: timedelta) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - span


def talk(settings: Settings, sensor: str, until: datetime, *, readings: int = 30, drained: bool = True) -> None:
    """A reading a minute, the last at `until`."""
    publish_readings(settings, [reading(sensor, at=until - MINUTE * back) for back in reversed(range(readings))])
    if drained:
        take_in(settings)


def take_in(settings: Settings, watcher: Watcher = watch_readings) -> None:
    feed = readings_feed(settings, sensor_types=SENSOR_TYPES, watcher=watcher)
    drain(settings, feed, open_lake(settings), run_id="test")


def told(settings: Settings) -> list[tuple[Any, ...]]:
    return warehouse_rows(settings, f"{_TOLD} where kind = 'drop_out' and tier = 'online' order by started_at")


def test_a_sensor_that_used_to_talk_and_is_silent_is_told(brisk: Settings) -> None:
    last = ago(MINUTE * 40)
    talk(brisk, SILENT, last)
    talk(brisk, TALKING, ago(MINUTE))
    before = datetime.now(UTC)
    assert tell_silent(brisk) == Told(begun=1)
    ((sensor, started, peak, ended, readings, intervals, value),) = told(brisk)
    assert (sensor, started, peak, readings, value) == (SILENT, last, last, 0, None)
    assert before <= ended <= datetime.now(UTC)
    assert intervals == pytest.approx(40, abs=1)


def test_a_silence_that_lasts_stays_one_episode_whose_end_moves_on(brisk: Settings) -> None:
    talk(brisk, SILENT, ago(MINUTE * 40))
    tell_silent(brisk)
    ((*_, first_end, _, first_score, _),) = told(brisk)
    assert tell_silent(brisk) == Told(going_on=1)
    ((*_, later_end, _, later_score, _),) = told(brisk)
    assert later_end > first_end
    assert later_score > first_score


def test_a_silence_ends_with_the_first_reading_after_it_and_is_left_alone_then(brisk: Settings) -> None:
    last = ago(MINUTE * 40)
    talk(brisk, SILENT, last)
    tell_silent(brisk)
    talk(brisk, SILENT, last + MINUTE * 35, readings=5)
    assert tell_silent(brisk) == Told(ended=1)
    ended = told(brisk)
    ((_, started, _, end, _, intervals, _),) = ended
    assert (started, end) == (last, last + MINUTE * 31)
    assert intervals == pytest.approx(31, abs=1)
    # Readings that come late change nothing any more.
    talk(brisk, SILENT, last + MINUTE * 10, readings=1)
    assert tell_silent(brisk) == Told()
    assert told(brisk) == ended


def test_a_sensor_that_falls_silent_again_has_another_episode(brisk: Settings) -> None:
    last = ago(MINUTE * 200)
    talk(brisk, SILENT, last)
    tell_silent(brisk)
    talk(brisk, SILENT, last + MINUTE * 60, readings=5)
    assert tell_silent(brisk) == Told(begun=1, ended=1)
    assert [row[1] for row in told(brisk)] == [last, last + MINUTE * 60]
    assert [row[3] > row[1] for row in told(brisk)] == [True, True]


def test_looks_at_the_same_time_tell_a_silence_once(brisk: Settings) -> None:
    talk(brisk, SILENT, ago(MINUTE * 40))
    with ThreadPoolExecutor(4) as pool:
        looks = list(pool.map(lambda _: tell_silent(brisk), range(8)))
    assert sum(look.begun for look in looks if look) == 1
    assert len(told(brisk)) == 1


def test_a_sensor_of_which_messages_wait_is_not_called_silent(brisk: Settings) -> None:
    talk(brisk, SILENT, ago(MINUTE * 40))
    # As if the drain were down since then.
    warehouse_rows(brisk, "update slices set newest_ingested_at = now() - interval '39 minutes' returning 1")
    talk(brisk, TALKING, ago(MINUTE), drained=False)
    assert tell_silent(brisk) == Told()
    take_in(brisk)
    assert tell_silent(brisk) == Told(begun=1)


def test_a_partition_that_lost_messages_makes_nobody_silent(brisk: Settings) -> None:
    talk(brisk, SILENT, ago(MINUTE * 40))
    warehouse_rows(brisk, "update slices set newest_ingested_at = now() - interval '39 minutes' returning 1")
    # The drain waits for a person, and what comes meanwhile is not read.
    for table in ("ledger", "lake_marks"):
        warehouse_rows(brisk, f"update {table} set next_offset = next_offset + 1000 returning 1")
    assert tell_silent(brisk) == Told()


def test_all_sensors_silent_with_nothing_left_to_read_are_told(brisk: Settings) -> None:
    for sensor in (SILENT, TALKING):
        talk(brisk, sensor, ago(MINUTE * 40))
    assert tell_silent(brisk) == Told(begun=2)


def test_sensors_of_an_old_recording_are_not_told(brisk: Settings) -> None:
    talk(brisk, SILENT, ago(timedelta(days=3)))
    assert tell_silent(brisk) == Told()
    assert tell_silent(brisk.model_copy(update={"silence_days": 4})) == Told(begun=1)
    # Nor is one that was told before any more; until it talks again.
    ended = told(brisk)
    assert tell_silent(brisk) == Told()
    assert told(brisk) == ended
    talk(brisk, SILENT, ago(MINUTE), readings=1)
    assert tell_silent(brisk) == Told(ended=1)


def noticing(*, is_new: bool) -> Watcher:
    """The detector, and a spike at the last reading of each slice: a new one, or how the one before goes on."""

    def watch(state: bytes | None, readings: pl.DataFrame) -> tuple[bytes, pl.DataFrame]:
        at = pl.col("event_time")
        spike = readings.tail(1).select(
            "series_id",
            is_new=pl.lit(is_new),
            kind=pl.lit("spike"),
            started_at=at,
            peak_at=at,
            ended_at=at,
            readings=pl.lit(1, pl.Int32),
            peak_score=pl.lit(9.0),
            peak_value="value",
        )
        return watch_readings(state, readings)[0], spike

    return watch


def test_an_incident_that_goes_on_after_a_silence_is_not_part_of_it(brisk: Settings) -> None:
    last, later = ago(MINUTE * 40), ago(MINUTE)
    talk(brisk, SILENT, last, drained=False)
    take_in(brisk, noticing(is_new=True))
    tell_silent(brisk)
    talk(brisk, SILENT, later, readings=1, drained=False)
    take_in(brisk, noticing(is_new=False))
    tell_silent(brisk)
    ends = "select kind, ended_at, sum(readings) over (partition by kind) from episodes order by started_at, kind"
    *_, (silence, silence_ended, silent_readings), (spike, spike_ended, _) = warehouse_rows(brisk, ends)
    assert (silence, silence_ended, silent_readings) == ("drop_out", later, 0)
    assert (spike, spike_ended) == ("spike", later)


def test_the_sensor_tells_in_its_tick_and_starts_no_run(brisk: Settings) -> None:
    talk(brisk, SILENT, ago(MINUTE * 40))
    context = dg.build_sensor_context(resources={"house": House(brisk)})
    skipped = silent_sensors(context)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "series: 1 fell silent, 0 are silent still, 0 talk again"
    assert len(told(brisk)) == 1
