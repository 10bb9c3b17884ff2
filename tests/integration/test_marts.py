"""The dbt project, built by its Dagster assets on a real Postgres."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from urllib.parse import quote, urlsplit, urlunsplit

import dagster as dg
import psycopg
import pytest
from dbt.artifacts.resources.types import NodeType
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner

from assets.marts import DBT, PROJECT, dbt_environment, marts, profiles
from assets.resources import House
from orchestration.definitions import build_definitions
from sensorhouse.settings import Settings
from tests.episodes import mark_episode
from tests.readings import NOON, many, publish_readings, reading, warehouse_rows
from warehouse import changes
from warehouse.database import connect
from warehouse.merging import merge

# dagster-dbt asks Dagster for what Dagster would rather not give any more.
pytestmark = pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning")

PLACED = datetime.fromisoformat("2026-11-20T10:00:00+00:00")
ORDER = "01900000-0000-7000-8000-000000000001"
GROWING = ("order_events", "readings_hourly", "readings_daily", "pipeline_hourly")


def add_order_event(settings: Settings, offset: int, version: int, status: str, *, minutes: int) -> None:
    """An event of one order, as a drain stores it."""
    at = PLACED + timedelta(minutes=minutes)
    with connect(settings.database_url) as connection:
        connection.execute(
            """
            insert into raw_orders
            values ('c/orders', 0, %s, %s, %s, %s, %s, %s, 'acme', 'TMP-100', 10, null, 'ada', %s, %s)
            """,
            [offset, f"event-{version}", ORDER, version, f"order_{status}", status, at, at],
        )
        connection.execute(
            """
            insert into ledger (topic_id, partition, topic, next_offset) values ('c/orders', 0, 'orders', %s)
            on conflict (topic_id, partition) do update set next_offset = excluded.next_offset
            """,
            [offset + 1],
        )


def add_order(settings: Settings) -> None:
    """The order that these events are of, as the API stores it when it is placed."""
    with connect(settings.database_url) as connection:
        connection.execute(
            """
            with ada as (
                insert into users (username, password_hash, roles) values ('ada', '', '{customer}') returning user_id
            )
            insert into orders (
                order_id, customer_id, sku, quantity, value, status, policy_version, version, created_by, created_at,
                updated_at
            )
            select %s, 'acme', 'TMP-100', 10, 480, 'accepted', 'p', 1, user_id, %s, %s from ada
            """,
            [ORDER, PLACED, PLACED],
        )
        connection.execute(
            """
            insert into order_events (event_id, order_id, version, type, status, actor, occurred_at)
            values (uuidv7(), %s, 1, 'order_placed', 'accepted', 'ada', %s)
            """,
            [ORDER, PLACED],
        )


def add_unit(settings: Settings, sensor_id: str, *, readings: int = 0, fails: bool = False) -> None:
    """A unit of that order; its test may have failed by a reading."""
    with connect(settings.database_url) as connection:
        connection.execute(
            "insert into units values (%s, %s, 'TMP-100', 'dresden-1', %s, %s)", [sensor_id, ORDER, PLACED, readings]
        )
        if fails:
            connection.execute(
                "insert into unit_failures values (%s, 'temperature', %s, 130, -40, 120)", [sensor_id, PLACED]
            )


def add_acme(settings: Settings) -> None:
    with connect(settings.database_url) as connection:
        connection.execute("insert into customers values ('acme', 'Acme', 'plus', 'eu', 9, 9, 9, '{}', null)")


def materialize(settings: Settings) -> dg.ExecuteInProcessResult:
    """Build every model by its Dagster asset."""
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize([marts], resources={"house": House(settings)}, instance=instance, raise_on_error=False)


def build(settings: Settings, *, unit_tests: bool = False) -> set[NodeType]:
    """Build every model by dbt itself, which takes a third of the time; what kinds of nodes it built."""
    with profiles(settings) as folder:
        places = ["--project-dir", str(PROJECT.project_dir), "--profiles-dir", str(folder)]
        targets = ["--target-path", str(folder / "target"), "--log-level-file", "none"]
        left_out = [] if unit_tests else ["--exclude-resource-type", "unit_test"]
        built = dbtRunner().invoke(["build", "--quiet", *places, *targets, *left_out])
    assert isinstance(built.result, RunExecutionResult), built.exception
    assert built.success, [result.message for result in built.result if result.message]
    return {result.node.resource_type for result in built.result}


def run(settings: Settings, job: str) -> None:
    brisk = settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.5, "lake_flush_s": 0.0, "refresh_linger_s": 0.0})
    with dg.DagsterInstance.ephemeral() as instance:
        assert build_definitions(brisk).resolve_job_def(job).execute_in_process(instance=instance).success


def made_of(metadata: Mapping[str, dg.MetadataValue[Any]], column: str) -> list[tuple[str, ...]]:
    """Where a column of a model comes from: asset and column."""
    lineage = metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    return [(*dep.asset_key.path, dep.column_name) for dep in lineage.deps_by_column[column]]


def written_last(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Of each mart that grows, how many rows it has and the newest transaction that wrote one."""
    return {
        name: warehouse_rows(settings, f"select count(*), max(xmin::text::bigint) from marts.{name}")
        for name in GROWING
    }


def test_an_order_is_one_row_with_the_times_of_its_states_and_its_units(settings: Settings) -> None:
    add_acme(settings)
    add_order(settings)
    for offset, (version, status, minutes) in enumerate(
        [(1, "accepted", 0), (2, "in_production", 30), (2, "in_production", 30), (3, "in_test", 120)]
    ):
        add_order_event(settings, offset, version, status, minutes=minutes)
    add_unit(settings, "tmp-1")
    add_unit(settings, "tmp-2", readings=5)
    add_unit(settings, "tmp-3", readings=5, fails=True)
    built = materialize(settings)
    assert built.success
    assert all(check.passed for check in built.get_asset_check_evaluations())
    told = {
        event.materialization.asset_key.path[-1]: event.materialization.metadata
        for event in built.get_asset_materialization_events()
    }
    assert len(told) == len(list(marts.specs))
    assert all("dagster/column_lineage" in metadata for metadata in told.values())
    assert [told[mart]["dagster/row_count"].value for mart in ("orders", "units", "order_events")] == [1, 3, 3]
    assert made_of(told["orders"], "value") == [("staging", "stg_orders", "value")]
    assert made_of(told["stg_order_events"], "status") == [("raw_orders", "status")]
    found = """
        select order_id, status, value::text, is_open, hours_to_accept, hours_in_production, units_built, yield
        from marts.orders
    """
    assert warehouse_rows(settings, found) == [(ORDER, "in_test", "480.00", True, 0.0, 1.5, 3, 0.5)]
    units = "select sensor_id, site, result, reason from marts.units order by 1"
    assert warehouse_rows(settings, units) == [
        ("tmp-1", "dresden", "untested", None),
        ("tmp-2", "dresden", "passed", None),
        ("tmp-3", "dresden", "failed", "value 130 F above spec_max 120 at 2026-11-20T10:00:00Z"),
    ]
    load = "select day::text, line_id, units_built, open_orders from marts.line_load where units_built > 0"
    assert warehouse_rows(settings, load) == [("2026-11-20", "dresden-1", 3, 1)]
    tested = "select line_id, built, passed, failed, untested, yield from marts.test_yield_daily"
    assert warehouse_rows(settings, tested) == [("dresden-1", 3, 1, 1, 1, 0.5)]

    # What comes later is added to what is there.
    before = warehouse_rows(settings, "select event_id, xmin::text from marts.order_events order by 1")
    add_order_event(settings, 4, 4, "shipped", minutes=180)
    again = materialize(settings).get_asset_materialization_events()
    assert all("dagster/column_lineage" in event.materialization.metadata for event in again)
    events = warehouse_rows(settings, "select event_id, xmin::text from marts.order_events order by 1")
    assert events[:3] == before
    assert [event for event, _ in events] == ["event-1", "event-2", "event-3", "event-4"]
    assert warehouse_rows(settings, "select status, hours_in_test from marts.orders") == [("shipped", 1.0)]


def test_only_days_that_staging_refreshed_are_aggregated_again(settings: Settings) -> None:
    yesterday = NOON - timedelta(days=1)
    publish_readings(settings, [reading(at=yesterday, value=1.0), *many(40)])
    run(settings, "drain_readings")
    run(settings, "refresh_touched_keys")
    build(settings)
    hours = "select day::text, sum(readings)::int from marts.readings_hourly group by 1 order by 1"
    days = "select day::text, sum(readings)::int from marts.readings_daily group by 1 order by 1"
    assert warehouse_rows(settings, hours) == [("2026-11-19", 1), ("2026-11-20", 40)]
    assert warehouse_rows(settings, days) == [("2026-11-19", 1), ("2026-11-20", 40)]
    before = written_last(settings)
    build(settings)
    assert written_last(settings) == before

    # A mark on what must not be touched again.
    with connect(settings.database_url) as connection:
        connection.execute("update marts.readings_hourly set mean = -1 where day = '2026-11-20'")
    # One is new, one comes again with another value.
    late = [reading(at=yesterday + timedelta(minutes=1), value=3.0), reading(at=yesterday, value=5.0)]
    publish_readings(settings, late)
    run(settings, "drain_readings")
    run(settings, "refresh_touched_keys")
    build(settings)
    assert warehouse_rows(settings, hours) == [("2026-11-19", 2), ("2026-11-20", 40)]
    means = "select distinct day::text, mean from marts.readings_hourly order by 1"
    assert warehouse_rows(settings, means) == [("2026-11-19", 4.0), ("2026-11-20", -1.0)]
    found = (
        "select mean, interval_s, expected_readings, coverage * 1440 from marts.readings_daily where day = '2026-11-19'"
    )
    assert warehouse_rows(settings, found) == [(4.0, 60.0, 1440, 2.0)]
    staged = "select raw_readings, staged_readings, revised_readings from marts.staged_daily where day = '2026-11-19'"
    assert warehouse_rows(settings, staged) == [(3, 2, 1)]


def test_what_drains_loaded_is_counted_by_the_hour_also_when_slices_were_merged(settings: Settings) -> None:
    for start in (NOON, NOON + timedelta(minutes=1)):
        publish_readings(settings, many(40, start=start))
        run(settings, "drain_readings")
    build(settings)
    loaded = "select topic, sum(slices), sum(rows), sum(dead_letters) from marts.pipeline_hourly group by 1"
    found = warehouse_rows(settings, loaded)
    assert [(topic, rows, dead) for topic, _, rows, dead in found] == [(settings.readings_topic, 80, 0)]
    ends = warehouse_rows(settings, "select partition, next_offset, rows from ledger order by 1")
    assert warehouse_rows(settings, "select partition, next_offset, rows from marts.pipeline_now order by 1") == ends
    assert (
        warehouse_rows(settings, "select 1 from marts.pipeline_hourly where freshness_p95_s < freshness_median_s") == []
    )

    before = written_last(settings)
    with connect(settings.database_url) as connection:
        merge(connection, before=datetime.now(UTC) + timedelta(hours=1))
    build(settings)
    assert written_last(settings) == before


def test_a_sensor_with_an_episode_is_abnormal_and_one_that_is_silent_is_silent(settings: Settings) -> None:
    publish_readings(settings, [*many(40, sensors=2), reading("gone", at=NOON - timedelta(hours=3))])
    run(settings, "drain_readings")
    run(settings, "refresh_touched_keys")
    mark_episode(settings, "probe-1", NOON, NOON + timedelta(seconds=10))
    silence = mark_episode(settings, "gone", NOON - timedelta(hours=3), NOON, kind="drop_out")
    mark_episode(settings, "probe-0", NOON, verdict="withdrawn")
    with connect(settings.database_url) as connection:
        connection.execute(
            "insert into silences select series_id, %s, %s from series where sensor_id = 'gone'", [silence, NOON]
        )
    build(settings)
    health = "select sensor_id, readings_7d, episodes_7d, last_episode_kind, health from marts.sensor_health order by 1"
    assert warehouse_rows(settings, health) == [
        ("gone", 1, 1, "drop_out", "silent"),
        ("probe-0", 20, 0, None, "well"),
        ("probe-1", 20, 1, "spike", "abnormal"),
    ]
    episodes = "select sensor_id, duration_s, is_going_on from marts.episodes order by 1"
    assert warehouse_rows(settings, episodes) == [("gone", 10800.0, True), ("probe-1", 10.0, False)]


def test_a_mart_whose_columns_changed_is_built_anew(settings: Settings) -> None:
    add_acme(settings)
    add_order_event(settings, 0, 1, "accepted", minutes=0)
    build(settings)
    with connect(settings.database_url) as connection:
        connection.execute("alter table marts.order_events drop column day, add column old integer")
    build(settings)
    assert warehouse_rows(settings, "select day::text from marts.order_events") == [("2026-11-20",)]


def test_the_reader_may_read_the_marts_alone(settings: Settings) -> None:
    with connect(settings.database_url) as connection, suppress(psycopg.errors.DuplicateObject):
        # Roles are the whole server's: another test may have made it.
        connection.execute("create role sensorhouse_reader")
    # Tables that take the place of others are readable as well.
    for _ in range(2):
        build(settings)
    with connect(settings.database_url) as connection:
        connection.execute("set role sensorhouse_reader")
        assert connection.execute("select count(*) from marts.orders").fetchone() == (0,)
        assert connection.execute("select count(*) from marts.readings_hourly").fetchone() == (0,)
        for forbidden in ("staging.stg_customers", "public.users"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(f"select from {forbidden}")


def test_the_marker_moves_with_units_episodes_and_silences(settings: Settings) -> None:
    def marker() -> str:
        with connect(settings.database_url) as connection:
            return changes.marker(connection)

    def change(statement: LiteralString, *values: object) -> None:
        with connect(settings.database_url) as connection:
            connection.execute(statement, values)

    add_acme(settings)
    add_order(settings)
    seen = [marker()]
    add_unit(settings, "tmp-1")
    seen.append(marker())
    silence = mark_episode(settings, "tmp-1", NOON, kind="drop_out")
    change("insert into series (sensor_id, sensor_type, metric, unit) values ('tmp-1', 't', 'm', 'F')")
    change("insert into silences select series_id, %s, %s from series", silence, NOON)
    seen.append(marker())
    change("update episodes set ended_at = ended_at + interval '30 seconds'")
    assert marker() == seen[-1]
    change("update episodes set ended_at = ended_at + interval '10 minutes'")
    seen.append(marker())
    change("delete from silences")
    seen.append(marker())
    assert len({*seen}) == len(seen)


def test_a_failing_test_is_a_failed_check_of_its_asset(settings: Settings) -> None:
    # Of a customer that there is none of.
    add_order_event(settings, 0, 1, "received", minutes=0)
    built = materialize(settings)
    failed = [check for check in built.get_asset_check_evaluations() if not check.passed]
    assert [check.asset_key.path for check in failed] == [["marts", "orders"]]
    assert "relationships" in failed[0].check_name


def test_lineage_reaches_the_assets_that_write_the_sources() -> None:
    deps = {tuple(spec.key.path): {tuple(dep.asset_key.path) for dep in spec.deps} for spec in marts.specs}
    assert deps["staging", "stg_order_events"] == {("raw_orders",)}
    assert deps["staging", "stg_reading_chunks"] == {("raw_readings",)}
    assert deps["staging", "stg_staged_keys"] == {("readings",)}
    assert deps["staging", "stg_episodes"] == {("anomalies",)}
    assert deps["staging", "stg_slices"] == {("slices",)}
    assert ("staging", "stg_staged_keys") in deps["marts", "readings_hourly"]
    assert {spec.group_name for spec in marts.specs} == {"staging", "marts"}
    assert all(spec.description for spec in marts.specs)


def test_a_mart_tells_its_columns_to_dagster() -> None:
    by_key = {tuple(spec.key.path): spec for spec in marts.specs}
    columns = by_key["marts", "readings_hourly"].metadata["dagster/column_schema"].columns
    assert ("mean", "double precision") in {(column.name, column.type) for column in columns}


def dbt(settings: Settings, *command: str) -> subprocess.CompletedProcess[str]:
    """dbt at a shell."""
    places = ["--target-path", str(settings.state_dir / "dbt"), "--log-path", str(settings.state_dir)]
    project = ["--project-dir", str(PROJECT.project_dir), "--profiles-dir", str(PROJECT.project_dir)]
    return subprocess.run(
        [str(DBT), *command, *project, *places],
        env={"PATH": sys.prefix, **dbt_environment(settings)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_unit_test_of_a_model_passes(settings: Settings) -> None:
    assert NodeType.Unit in build(settings, unit_tests=True)


def test_sources_that_got_something_today_are_fresh(settings: Settings) -> None:
    publish_readings(settings, many(40))
    run(settings, "drain_readings")
    run(settings, "refresh_touched_keys")
    looked = dbt(settings, "source", "freshness")
    assert looked.returncode == 0, looked.stdout
    fresh = {line.split("PASS freshness of ")[1].split()[0] for line in looked.stdout.splitlines() if "PASS" in line}
    assert {"warehouse.reading_chunks", "warehouse.staged_keys", "warehouse.slices", "warehouse.ledger"} <= fresh


def test_any_password_reaches_dbt_as_it_is(settings: Settings) -> None:
    password = "1{{ x }}{% y %} \"'\\%@/:#"
    with connect(settings.database_url) as connection:
        quoted = password.replace("'", "''")
        connection.execute("drop role if exists odd_one")
        connection.execute(f"create role odd_one login password '{quoted}'")
    parts = urlsplit(settings.database_url)
    netloc = f"odd_one:{quote(password, safe='')}@{parts.hostname}:{parts.port}"
    odd = Settings(_env_file=None, postgres_url=urlunsplit(parts._replace(netloc=netloc)))
    with profiles(odd) as folder:
        command = [str(DBT), "debug", "--connection", "--profiles-dir", str(folder)]
        assert folder.stat().st_mode & 0o077 == 0
        asked = subprocess.run(command, cwd=PROJECT.project_dir, capture_output=True, text=True, check=False)
    assert "OK connection ok" in asked.stdout, asked.stdout
    assert not folder.exists()
    with connect(settings.database_url) as connection:
        connection.execute("drop role odd_one")
