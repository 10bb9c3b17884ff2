"""Partition keys judged in depth, on a real lake and warehouse."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.judging import Judged, judge_keys
from assets.partition_keys import Key
from assets.staged_keys import stage_keys
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.episodes import mark_episode, steady
from tests.readings import NOON, lake_rows, publish_readings, reading, readings_of, warehouse_rows
from warehouse import judged
from warehouse.database import connect
from warehouse.judged import EPISODES

ROOT = Path(__file__).parents[2]
BRISK = {"slice_s": 0.2, "lake_flush_s": 0.0, "linger_s": 0.0}
TODAY = Key("temperature", NOON.date())
DAYS = [Key("temperature", NOON.date() - timedelta(days=ago)) for ago in (4, 3, 2, 1, 0)]


def stored(settings: Settings, *readings: dict[str, Any]) -> None:
    """Publish readings, drain and stage them."""
    brisk = settings.model_copy(update=BRISK)
    publish_readings(brisk, readings, per_message=200)
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")
    list(stage_keys(brisk, open_lake(brisk), DAYS))


def judge(settings: Settings, keys: Sequence[Key] = (TODAY,), *, anew: bool = False) -> list[Judged]:
    return list(judge_keys(settings, open_lake(settings), keys, anew=anew))


def episodes(settings: Settings) -> list[tuple[Any, ...]]:
    return warehouse_rows(
        settings, "select sensor_id, kind, started_at, tier, verdict from episodes order by 1, 2, 3, 4"
    )


def in_lake_and_warehouse(settings: Settings) -> pl.DataFrame:
    """All episodes, which must be the same in both."""
    with connect(settings.database_url) as connection:
        here = judged.episodes(connection, "temperature", [key.day for key in DAYS])
    there = lake_rows(settings, "episodes").select(EPISODES.names()).sort("started_at", "episode_id")
    assert there.equals(here), (there, here)
    return here


@pytest.fixture
def spiked(settings: Settings) -> Settings:
    """Two sensors' four days; one has a spike on the last, at noon."""
    stored(settings, *steady("a", days=4), reading("a", at=NOON, value=99.0), *steady("b", days=4))
    warehouse_rows(settings, "delete from episodes returning 1")
    return settings


def test_an_episode_is_the_same_in_lake_and_warehouse_however_often_it_is_judged(spiked: Settings) -> None:
    (first,) = judge(spiked)
    assert (first.series, first.examined, first.calibrated) == (2, 2, 2)
    before = in_lake_and_warehouse(spiked)
    assert before.select("sensor_id", "kind", "peak_value").rows() == [("a", "spike", 99.0)]
    (again,) = judge(spiked)
    assert (again.examined, again.picture) == (0, first.picture)
    (anew,) = judge(spiked, anew=True)
    assert anew.examined == 2
    assert in_lake_and_warehouse(spiked).equals(before)


def test_only_series_that_changed_are_judged_again(spiked: Settings) -> None:
    judge(spiked)
    stored(spiked, reading("b", at=NOON, value=77.0))
    (found,) = judge(spiked)
    assert (found.series, found.examined) == (2, 1)
    told = in_lake_and_warehouse(spiked).filter(tier="batch")
    assert told.select("sensor_id", "peak_value").sort("sensor_id").rows() == [("a", 99.0), ("b", 77.0)]


def test_a_change_in_the_past_has_its_sensors_later_days_judged_again(spiked: Settings) -> None:
    judge(spiked, DAYS)
    stored(spiked, reading("b", at=NOON - timedelta(days=2, minutes=1), value=20.0))
    examined = {one.key.day.day: one.examined for one in judge(spiked, DAYS)}
    assert examined == {16: 0, 17: 0, 18: 1, 19: 1, 20: 1}


def test_a_revised_spike_is_an_episode_no_more(spiked: Settings) -> None:
    judge(spiked)
    stored(spiked, reading("a", at=NOON, value=20.0))
    judge(spiked)
    assert in_lake_and_warehouse(spiked).filter(tier="batch").height == 0


def test_what_was_noticed_online_is_confirmed_or_withdrawn(spiked: Settings) -> None:
    seen = mark_episode(spiked, "a", NOON)
    imagined = mark_episode(spiked, "b", NOON - timedelta(hours=2), kind="shift")
    fact = mark_episode(spiked, "b", NOON - timedelta(hours=3), kind="out_of_spec")
    judge(spiked)
    told = {row["episode_id"]: row for row in in_lake_and_warehouse(spiked).iter_rows(named=True)}
    (batch,) = (row for row in told.values() if row["tier"] == "batch")
    assert (told[seen]["verdict"], told[seen]["settled_by"]) == ("confirmed", batch["episode_id"])
    assert (told[imagined]["verdict"], told[imagined]["settled_by"]) == ("withdrawn", None)
    assert told[fact]["verdict"] is None


def test_killed_between_lake_and_warehouse_and_judged_again_it_comes_to_the_same(spiked: Settings) -> None:
    environment = {**os.environ, **spiked.as_environment(), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _KILLED]
    killed = subprocess.run(command, env=environment, check=False, capture_output=True, timeout=60)
    assert killed.returncode == -9, killed.stderr.decode()
    assert lake_rows(spiked, "episodes").height == 1
    assert episodes(spiked) == []
    judge(spiked)
    assert in_lake_and_warehouse(spiked).height == 1


# The process dies when the lake has the episodes and the warehouse does not.
_KILLED = """
import os, signal
from datetime import date
from assets import judging
from assets.partition_keys import Key
from sensorhouse.settings import Settings
from sensors_io.lake import open_lake

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

judging.judged.replace = die
settings = Settings.load()
list(judging.judge_keys(settings, open_lake(settings), [Key("temperature", date(2026, 11, 20))]))
"""


def test_keys_wait_to_be_judged_until_they_are_and_todays_longer(settings: Settings) -> None:
    def waiting(judge_s: float) -> list[int]:
        with connect(settings.database_url) as connection:
            return [day.day for _, day in judged.due(connection, judge_s=judge_s, past_days=14)]

    stored(settings, *steady(days=2))
    assert waiting(3600) == [18, 19, 20]
    judge(settings, DAYS)
    assert waiting(0) == []
    stored(settings, reading(at=NOON - timedelta(days=1), value=20.0))
    warehouse_rows(
        settings, "update staged_keys set refreshed_at = now() - interval '1 day' where day != '2026-11-19' returning 1"
    )
    assert waiting(3600) == [19, 20]
    # As if the 20th were today.
    warehouse_rows(
        settings, "update staged_keys set day = (now() at time zone 'UTC')::date where day = '2026-11-20' returning 1"
    )
    warehouse_rows(
        settings, "update judged_keys set day = (now() at time zone 'UTC')::date where day = '2026-11-20' returning 1"
    )
    assert waiting(3600) == [19]
    assert len(waiting(0)) == 2
