"""The dbt project, built by its Dagster assets on a real Postgres."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit, urlunsplit

import dagster as dg
import pytest

from assets.marts import DBT, PROJECT, dbt_environment, marts, profiles
from assets.resources import House
from orchestration.definitions import build_definitions
from sensorhouse.settings import Settings
from tests.readings import NOON, many, publish_readings, reading, warehouse_rows
from warehouse.database import connect

# dagster-dbt asks Dagster for what Dagster would rather not give any more.
pytestmark = pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning")

PLACED = datetime.fromisoformat("2026-11-20T10:00:00+00:00")


def add_order_event(settings: Settings, offset: int, version: int, status: str, *, minutes: int) -> None:
    """An event of one order, as a drain stores it."""
    at = PLACED + timedelta(minutes=minutes)
    with connect(settings.database_url) as connection:
        connection.execute(
            """
            insert into raw_orders
            values ('c/orders', 0, %s, %s, 'order-1', %s, %s, %s, 'acme', 'TMP-100', 10, null, 'ada', %s, %s)
            """,
            [offset, f"event-{version}", version, f"order_{status}", status, at, at],
        )


def add_acme(settings: Settings) -> None:
    with connect(settings.database_url) as connection:
        connection.execute("insert into customers values ('acme', 'Acme', 'plus', 'eu', 9, 9, 9, '{}', null)")


def build(settings: Settings, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [marts], resources={"house": House(settings)}, instance=instance, raise_on_error=raise_on_error
        )


def run(settings: Settings, job: str) -> None:
    brisk = settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.5, "lake_flush_s": 0.0, "refresh_linger_s": 0.0})
    with dg.DagsterInstance.ephemeral() as instance:
        assert build_definitions(brisk).resolve_job_def(job).execute_in_process(instance=instance).success


def test_an_order_is_one_row_with_the_times_of_its_states(settings: Settings) -> None:
    add_acme(settings)
    for offset, (version, status, minutes) in enumerate(
        [(1, "received", 0), (2, "accepted", 5), (2, "accepted", 5), (3, "shipped", 65)]
    ):
        add_order_event(settings, offset, version, status, minutes=minutes)
    built = build(settings)
    assert all(check.passed for check in built.get_asset_check_evaluations())
    assert warehouse_rows(
        settings, "select order_id, status, list_value::text, is_open, decision_s, fulfilment_s from marts.orders"
    ) == [("order-1", "shipped", "480.00", True, 300.0, 3600.0)]


def test_only_days_that_staging_refreshed_are_aggregated_again(settings: Settings) -> None:
    yesterday = NOON - timedelta(days=1)
    publish_readings(settings, [reading(at=yesterday, value=1.0), *many(40)])
    run(settings, "drain_readings")
    run(settings, "refresh_touched_keys")
    build(settings)
    hours = "select day::text, sum(readings)::int from marts.readings_hourly group by 1 order by 1"
    assert warehouse_rows(settings, hours) == [("2026-11-19", 1), ("2026-11-20", 40)]

    # A mark on what must not be touched again.
    with connect(settings.database_url) as connection:
        connection.execute("update marts.readings_hourly set mean_value = -1 where day = '2026-11-20'")
    publish_readings(settings, [reading(at=yesterday + timedelta(minutes=1), value=3.0)])
    run(settings, "drain_readings")
    run(settings, "refresh_touched_keys")
    build(settings)
    assert warehouse_rows(settings, hours) == [("2026-11-19", 2), ("2026-11-20", 40)]
    means = "select distinct day::text, mean_value from marts.readings_hourly order by 1"
    assert warehouse_rows(settings, means) == [("2026-11-19", 2.0), ("2026-11-20", -1.0)]


def test_a_failing_test_is_a_failed_check_of_its_asset(settings: Settings) -> None:
    # Of a customer that there is none of.
    add_order_event(settings, 0, 1, "received", minutes=0)
    built = build(settings, raise_on_error=False)
    failed = [check for check in built.get_asset_check_evaluations() if not check.passed]
    assert [check.asset_key.path for check in failed] == [["marts", "orders"]]
    assert "relationships" in failed[0].check_name


def test_lineage_reaches_the_assets_that_write_the_sources() -> None:
    deps = {tuple(spec.key.path): {tuple(dep.asset_key.path) for dep in spec.deps} for spec in marts.specs}
    assert deps["staging", "stg_order_events"] == {("raw_orders",)}
    assert deps["staging", "stg_readings"] == {("readings",)}
    assert deps["staging", "stg_episodes"] == {("anomalies",)}
    assert deps["marts", "readings_hourly"] == {("staging", "stg_readings"), ("staging", "stg_staged_keys")}
    assert {spec.group_name for spec in marts.specs} == {"staging", "marts"}
    assert all(spec.description for spec in marts.specs)


def test_every_unit_test_of_a_model_passes(settings: Settings) -> None:
    command = [DBT, "build", "--project-dir", PROJECT.project_dir, "--target-path", settings.state_dir / "dbt"]
    built = subprocess.run(
        [*map(str, command), "--log-path", str(settings.state_dir), "--profiles-dir", str(PROJECT.project_dir)],
        env={"PATH": sys.prefix, **dbt_environment(settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout
    assert "unit_test" in built.stdout


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
