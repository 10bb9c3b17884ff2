"""Housekeeping beside drains and refreshes: nothing that can be read changes, and the balance closes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
from polars.testing import assert_frame_equal

from assets.checks import staged_balance
from assets.housekeeping import drain_books, hot_window, lake_files
from assets.partition_keys import Key
from assets.resources import House
from assets.staged_keys import stage_keys
from assets.staging import IDENTITY
from sensorhouse.settings import Settings
from sensors_io import upkeep
from sensors_io.balance import balance
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.readings import NOON, lake_rows, many, publish, publish_readings, reading, readings_of, warehouse_rows
from warehouse import staged
from warehouse.database import connect

BRISK = {"slice_s": 0.2, "lake_flush_s": 0.0, "linger_s": 0.0}
OLD = NOON - timedelta(days=100)


def take_in(settings: Settings, readings: list[dict[str, Any]]) -> None:
    brisk = settings.model_copy(update=BRISK)
    publish_readings(brisk, readings)
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")


def stage_touched(settings: Settings) -> None:
    """Stage what was touched, as a refresh does."""
    with connect(settings.database_url) as connection:
        touches = staged.ready(connection, refresh_s=0)
        list(stage_keys(settings, open_lake(settings), [Key(touch.sensor_type, touch.day) for touch in touches]))
        staged.clear(connection, touches)


def materialized(settings: Settings, asset: dg.AssetsDefinition) -> dict[str, Any]:
    result = dg.materialize([asset], resources={"house": House(settings)})
    assert result.success
    (event,) = result.asset_materializations_for_node(asset.key.to_user_string())
    return {name: value.value for name, value in event.metadata.items()}


def differences(settings: Settings) -> dict[str, int]:
    return balance(settings, readings_of(settings), open_lake(settings), full=True).differences


def test_small_files_of_a_day_that_is_over_become_one(settings: Settings) -> None:
    for hour in range(3):
        take_in(settings, many(20, start=NOON + timedelta(hours=hour)))
        stage_touched(settings)
    before = lake_rows(settings, "readings")
    told = materialized(settings, lake_files)
    assert (told["readings: files before"], told["readings: files after"]) == (3, 1)
    assert "| up to 1 MiB | 3 | 1 |" in told["readings: files by size"]
    assert_frame_equal(lake_rows(settings, "readings").sort(IDENTITY), before.sort(IDENTITY))
    take_in(settings, [reading("probe-0", value=-1.0), reading("probe-0", at=NOON + timedelta(hours=9))])
    stage_touched(settings)
    assert warehouse_rows(settings, "select raw, staged, revisions from staged_keys") == [(62, 61, 1)]
    assert differences(settings) == {}


def test_drains_and_compaction_side_by_side_lose_and_double_nothing(settings: Settings) -> None:
    lake = open_lake(settings)
    take_in(settings, many(10))
    busy = settings.model_copy(update={"slice_rows": 20, "slice_s": 0.1, "lake_flush_s": 0.0, "linger_s": 1.0})
    publish_readings(settings, many(4_000, start=NOON + timedelta(hours=1)), per_message=1)
    compacted = 0
    with ThreadPoolExecutor(1) as pool:
        draining = pool.submit(drain, busy, readings_of(busy), lake, run_id="busy")
        while not draining.done():
            today = datetime.now(UTC).date()
            found = upkeep.scattered(lake, "raw_readings", day_column="ingest_day", today=today, open_from=3)
            compacted += sum(upkeep.compact(lake, "raw_readings", partition) > 0 for partition in found)
            upkeep.checkpoint(lake, "raw_readings")
            upkeep.vacuum(lake, "raw_readings", keep=timedelta(hours=1))
        assert draining.result().work.rows == 4_000
    assert compacted > 1
    assert lake_rows(settings, "raw_readings").height == 4_010
    assert differences(settings) == {}
    stage_touched(settings)
    assert warehouse_rows(settings, "select raw, staged from staged_keys") == [(4_010, 4_010)]


def test_a_refresh_and_compaction_side_by_side_lose_and_double_nothing(settings: Settings) -> None:
    house = settings.model_copy(update=BRISK)
    take_in(settings, many(10))
    stage_touched(settings)
    with ThreadPoolExecutor(1) as pool:
        for hour in range(1, 6):
            take_in(house, [*many(10, start=NOON + timedelta(hours=hour)), reading("probe-0", value=float(hour))])
            refreshing = pool.submit(stage_touched, settings)
            materialized(settings, lake_files)
            refreshing.result()
    gone_on = lake_rows(settings, "readings")
    list(stage_keys(settings, open_lake(settings), [Key("temperature", NOON.date())], rebuild=True))
    assert_frame_equal(gone_on.sort(IDENTITY), lake_rows(settings, "readings").sort(IDENTITY))
    assert warehouse_rows(settings, "select raw, staged, revisions from staged_keys") == [(65, 60, 5)]


def test_a_day_that_leaves_the_hot_window_is_dropped_and_counted(settings: Settings) -> None:
    settings = settings.model_copy(update={"hot_days": 4_000})
    take_in(settings, [*many(30), *many(30, start=OLD), reading("probe-0", at=OLD, station="s", quality=2)])
    stage_touched(settings)
    smaller = settings.model_copy(update={"hot_days": 60})
    told = materialized(smaller, hot_window)
    assert (told["days_retired"], told["rows_retired"]) == (1, 31)
    assert warehouse_rows(settings, "select count(*) from raw_readings") == [(30,)]
    assert warehouse_rows(settings, "select day, sum(rows) from retired group by 1") == [(OLD.date(), 31)]
    assert lake_rows(settings, "readings").height == 60
    assert differences(smaller) == {}
    assert materialized(smaller, hot_window)["rows_retired"] == 0


def test_a_day_that_waits_for_a_refresh_stays_in_the_hot_window(settings: Settings) -> None:
    settings = settings.model_copy(update={"hot_days": 4_000})
    take_in(settings, many(10, start=OLD))
    smaller = settings.model_copy(update={"hot_days": 60})
    assert materialized(smaller, hot_window)["rows_retired"] == 0
    stage_touched(settings)
    take_in(settings, many(5, start=OLD + timedelta(hours=1)))
    assert materialized(smaller, hot_window)["rows_retired"] == 0
    stage_touched(settings)
    assert materialized(smaller, hot_window)["rows_retired"] == 15
    assert differences(smaller) == {}


def test_cold_readings_are_staged_and_retiring_leaves_the_balance_closed(settings: Settings) -> None:
    smaller = settings.model_copy(update={"hot_days": 60})
    take_in(smaller, [*many(10, start=OLD), *many(10)])
    stage_touched(smaller)
    assert warehouse_rows(settings, "select count(*) from raw_readings") == [(10,)]
    assert lake_rows(settings, "readings").height == 20
    materialized(smaller, hot_window)
    assert differences(smaller) == {}
    check = staged_balance.node_def.compute_fn.decorated_fn(House(smaller))  # type: ignore[attr-defined]
    assert check.passed


def test_the_lake_drops_staged_days_that_are_too_old_and_keeps_raw_ones(settings: Settings) -> None:
    smaller = settings.model_copy(update={"hot_days": 30, "lake_keep_days": 60})
    take_in(smaller, [*many(10, start=OLD), *many(10)])
    stage_touched(smaller)
    told = materialized(smaller, hot_window)
    assert told["readings: rows dropped"] == 10
    assert lake_rows(settings, "readings").get_column("day").unique().to_list() == [NOON.date()]
    assert lake_rows(settings, "raw_readings").select(pl.len()).item() == 20
    assert warehouse_rows(settings, "select day from staged_keys") == [(NOON.date(),)]
    assert differences(smaller) == {}


def many_slices(settings: Settings) -> Settings:
    """A topic that was drained in slices of two messages, one of them dead; three days ago, as the books have it."""
    publish(settings, settings.readings_topic, [(b"broken", 0)])
    take_in(settings.model_copy(update={"slice_rows": 2}), many(400))
    warehouse_rows(settings, "update slices set loaded_at = loaded_at - interval '3 days' returning 1")
    warehouse_rows(settings, "update lake_commits set committed_at = committed_at - interval '3 days' returning 1")
    return settings


def test_old_slices_are_merged_and_still_balance(settings: Settings) -> None:
    many_slices(settings)
    warehouse_rows(settings, "update slices set loaded_at = date_trunc('hour', loaded_at) returning 1")
    warehouse_rows(settings, "update lake_commits set committed_at = date_trunc('hour', committed_at) returning 1")
    sums = "select sum(slices), sum(messages), sum(rows), sum(dead_letters), wrapped_sum(checksum) from slices"
    before = warehouse_rows(settings, sums)
    partitions = warehouse_rows(settings, "select count(distinct partition) from slices")
    told = materialized(settings, drain_books)
    assert told["slices merged"] > 10
    assert warehouse_rows(settings, "select count(*) from slices") == partitions
    assert warehouse_rows(settings, "select count(*) from lake_commits where table_name = 'raw_readings'") == partitions
    assert warehouse_rows(settings, sums) == before
    assert differences(settings) == {}
    take_in(settings, many(50, start=NOON + timedelta(hours=1)))
    assert materialized(settings, drain_books)["slices merged"] == 0
    assert differences(settings) == {}


def test_what_is_altered_in_a_merged_slice_is_still_found(settings: Settings) -> None:
    many_slices(settings)
    assert materialized(settings, drain_books)["slices merged"] > 10
    warehouse_rows(settings, "update reading_chunks set readings[1] = readings[1] + 1 where series_id = 1 returning 1")
    assert differences(settings) == {"slices of which a table holds something else": 1}


def test_slices_of_other_hours_and_those_the_lake_has_not_got_stay_apart(settings: Settings) -> None:
    many_slices(settings)
    warehouse_rows(
        settings, "update slices set loaded_at = '2026-01-01'::timestamptz + start_offset * interval '1 h' returning 1"
    )
    assert materialized(settings, drain_books)["slices merged"] == 0
    warehouse_rows(settings, "update slices set loaded_at = '2026-01-01' returning 1")
    warehouse_rows(settings, "update lake_marks set next_offset = 1 returning 1")
    assert materialized(settings, drain_books)["slices merged"] == 0
    assert differences(settings) == {}
