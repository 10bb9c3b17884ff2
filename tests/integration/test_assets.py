"""Dagster's assets on real servers, run in this process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
import pytest

from assets.readings import anomalies as anomalies_asset
from assets.readings import readings as readings_asset
from assets.resources import House
from orchestration.definitions import build_definitions
from sensorhouse.settings import Settings
from tests.episodes import steady
from tests.readings import NOON, lake_rows, many, publish, publish_readings, reading, warehouse_rows


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    return settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.5, "lake_flush_s": 0.0, "refresh_linger_s": 0.0})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def run(settings: Settings, instance: dg.DagsterInstance, job: str) -> dg.ExecuteInProcessResult:
    result = build_definitions(settings).resolve_job_def(job).execute_in_process(instance=instance)
    assert result.success
    return result


def test_a_drain_run_reports_its_asset_and_passes_its_checks(brisk: Settings, instance: dg.DagsterInstance) -> None:
    publish_readings(brisk, many(100))
    result = run(brisk, instance, "drain_readings")
    (event,) = result.asset_materializations_for_node("raw_readings")[-1:]
    assert event.metadata["rows"].value == 100
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {
        "no_gap": True,
        "lake_complete": True,
        "warehouse_complete": True,
        "few_dead_letters": True,
    }


def test_dead_letters_are_told_by_reason_and_a_jump_is_a_warning(brisk: Settings, instance: dg.DagsterInstance) -> None:
    publish(brisk, brisk.readings_topic, [(b"{", 0)] * 20)
    result = run(brisk, instance, "drain_readings")
    event = instance.get_latest_materialization_event(dg.AssetKey("dead_letters"))
    assert event
    assert event.asset_materialization
    assert "| 20 | 20 |" in str(event.asset_materialization.metadata["by_reason"].value)
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [(check.check_name, check.severity) for check in failed] == [
        ("few_dead_letters", dg.AssetCheckSeverity.WARN)
    ]


def test_touched_keys_are_staged_and_judged_in_one_run(brisk: Settings, instance: dg.DagsterInstance) -> None:
    past = steady(until=NOON - timedelta(hours=12))
    noon = [reading(at=NOON, value=99.0), reading(at=NOON, value=99.0), reading(value=98.0)]
    today = steady(days=0.5)
    publish_readings(brisk, [*past, *today, *noon, *steady(days=0.25, until=NOON + timedelta(hours=6, minutes=5))])
    run(brisk, instance, "drain_readings")
    result = run(brisk, instance, "refresh_touched_keys")
    assert result.output_for_node("refresh_touched") == 4
    staged = lake_rows(brisk, "readings").filter(event_time=NOON)
    assert staged.select("value", "duplicates", "revisions").rows() == [(98.0, 1, 1)]
    assert warehouse_rows(brisk, "select count(*) from touched_keys") == [(0,)]
    keys = instance.get_materialized_partitions(dg.AssetKey("anomalies"))
    assert keys == {f"2026-11-{day}|temperature" for day in (17, 18, 19, 20)}
    (told,) = lake_rows(brisk, "episodes").filter(tier="batch").select("sensor_id", "kind", "peak_value").rows()
    assert told == ("probe-1", "spike", 98.0)
    event = instance.get_latest_materialization_event(dg.AssetKey("anomalies"))
    assert event
    assert event.asset_materialization
    metadata = event.asset_materialization.metadata
    assert metadata["episodes"].value == 1
    assert "| probe-1 | temperature | spike |" in str(metadata["worst"].value)
    assert "data:image/svg+xml" in str(metadata["worst_curve"].value)
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "usual_alarm_rate": True
    }


def test_a_stretch_of_keys_is_materialized_in_one_run(brisk: Settings, instance: dg.DagsterInstance) -> None:
    publish_readings(brisk, steady(days=4))
    run(brisk, instance, "drain_readings")
    instance.add_dynamic_partitions("sensor_types", ["temperature"])
    result = dg.materialize(
        [readings_asset, anomalies_asset],
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": "2026-11-17|temperature",
            "dagster/asset_partition_range_end": "2026-11-19|temperature",
        },
        resources={"house": House(brisk)},
    )
    assert result.success
    rows = {
        event.partition: event.metadata["staged"].value for event in result.asset_materializations_for_node("readings")
    }
    assert rows == dict.fromkeys((f"2026-11-{day}|temperature" for day in (17, 18, 19)), 288)
    judged = {
        event.partition: event.metadata["calibrated"].value
        for event in result.asset_materializations_for_node("anomalies")
    }
    assert judged == {"2026-11-17|temperature": 0, "2026-11-18|temperature": 0, "2026-11-19|temperature": 1}


def test_a_key_can_be_materialized_alone_and_again(brisk: Settings, instance: dg.DagsterInstance) -> None:
    publish_readings(brisk, many(40))
    run(brisk, instance, "drain_readings")
    instance.add_dynamic_partitions("sensor_types", ["temperature"])
    for _ in range(2):
        result = dg.materialize(
            [readings_asset],
            instance=instance,
            partition_key=dg.MultiPartitionKey({"day": "2026-11-20", "sensor_type": "temperature"}),
            resources={"house": House(brisk)},
        )
        assert result.success
        assert lake_rows(brisk, "readings").height == 40
    assert warehouse_rows(brisk, "select day, raw, staged from staged_keys") == [(date(2026, 11, 20), 40, 40)]


def test_the_full_balance_agrees_and_notices_a_lost_row(brisk: Settings, instance: dg.DagsterInstance) -> None:
    publish_readings(brisk, many(40))
    publish(brisk, brisk.readings_topic, [(b"broken", 0)])
    for job in ("drain_readings", "drain_orders", "refresh_touched_keys", "full_balance"):
        result = run(brisk, instance, job)
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "orders_balance": True,
        "readings_balance": True,
        "staged_balance": True,
    }
    warehouse_rows(
        brisk, "with lost as (delete from reading_chunks where series_id = 1 returning 1) select 1 from lost"
    )
    result = run(brisk, instance, "full_balance")
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "orders_balance": True,
        "readings_balance": False,
        "staged_balance": False,
    }
