"""When touched keys are refreshed: late days at once, today's now and then, both in one run that waits for more."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from assets.partition_keys import Key
from assets.staged_keys import stage_keys
from orchestration.definitions import build_definitions
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.readings import NOON, many, publish_readings, reading, readings_of, warehouse_rows
from tests.waiting import wait_until
from warehouse import locks, staged
from warehouse.database import connect
from warehouse.locks import Lock

BRISK = {"slice_s": 0.2, "lake_flush_s": 0.0, "linger_s": 0.0, "refresh_s": 3600.0}


def take_in(settings: Settings, *readings: dict[str, Any]) -> None:
    """Publish readings and drain them."""
    brisk = settings.model_copy(update=BRISK)
    publish_readings(brisk, readings)
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")


def of_today(value: float = 1.0) -> dict[str, Any]:
    return reading(at=datetime.now(UTC), value=value)


@contextmanager
def a_drain_at_work(settings: Settings) -> Iterator[None]:
    with connect(settings.database_url, autocommit=True) as connection:
        for topic_id, partition in warehouse_rows(settings, "select topic_id, partition from ledger"):
            assert locks.take(connection, Lock.DRAIN, locks.of_partition(topic_id, partition))
        yield


def due(settings: Settings, *, refresh_s: float = 3600.0) -> list[Key]:
    with connect(settings.database_url) as connection:
        touches = staged.ready(connection, refresh_s=refresh_s)
    return [Key(touch.sensor_type, touch.day) for touch in touches if touch.is_due]


def refresh(settings: Settings, key: Key) -> None:
    """Stage a key and clear what was due of it."""
    with connect(settings.database_url) as connection:
        touches = [touch for touch in staged.ready(connection, refresh_s=0) if touch.day == key.day]
        list(stage_keys(settings, open_lake(settings), [key]))
        staged.clear(connection, touches)


def test_a_late_day_is_due_at_once_and_today_when_the_drain_ends(settings: Settings) -> None:
    take_in(settings, reading(), of_today())
    late, today = Key("temperature", NOON.date()), Key("temperature", datetime.now(UTC).date())
    with a_drain_at_work(settings):
        assert due(settings) == [late]
    assert due(settings) == [late, today]


def test_today_is_due_while_a_drain_is_at_work_once_it_has_waited(settings: Settings) -> None:
    take_in(settings, of_today())
    today = Key("temperature", datetime.now(UTC).date())
    with a_drain_at_work(settings):
        assert due(settings, refresh_s=3600) == []
        assert due(settings, refresh_s=0) == [today]
        refresh(settings, today)
        take_in(settings, of_today(2.0))
        assert due(settings, refresh_s=3600) == []


def test_a_key_that_goes_on_being_touched_is_refreshed_and_stays_touched(settings: Settings) -> None:
    take_in(settings, reading())
    late = Key("temperature", NOON.date())
    # The warehouse is ahead of the lake, as it is for most of a drain's life.
    warehouse_rows(settings, "update touched_keys set end_offset = end_offset + 1 returning 1")
    assert due(settings, refresh_s=3600) == []
    assert due(settings, refresh_s=0) == [late]
    refresh(settings, late)
    assert warehouse_rows(settings, "select staged from staged_keys") == [(1,)]
    assert warehouse_rows(settings, "select count(*) from touched_keys") == [(1,)]
    # All that the lake has is staged.
    assert due(settings, refresh_s=0) == []


def test_a_refresh_run_takes_keys_that_become_ready_while_it_waits(settings: Settings) -> None:
    take_in(settings, *many(10))
    patient = settings.model_copy(update={"refresh_linger_s": 5.0})
    job = build_definitions(patient).resolve_job_def("refresh_touched_keys")
    with dg.DagsterInstance.ephemeral() as instance, ThreadPoolExecutor() as pool:
        run = pool.submit(job.execute_in_process, instance=instance)
        wait_until(lambda: warehouse_rows(settings, "select staged from staged_keys") == [(10,)])
        take_in(settings, *many(10, start=NOON - timedelta(days=1)))
        wait_until(lambda: warehouse_rows(settings, "select count(*) from touched_keys") == [(0,)])
        assert run.result().output_for_node("refresh_touched") == 2
