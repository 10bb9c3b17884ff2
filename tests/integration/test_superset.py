"""The dashboards on a real Superset: applied, held against their files, checked, and read by a role of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from assets import applied_dashboards, dashboard_exports, dashboard_files, dashboards
from assets.marts import marts
from assets.resources import House
from assets.superset import Superset, sign_in
from infra.cli import main
from sensorhouse.errors import DashboardsUnusable
from sensorhouse.settings import Settings
from tests.superset_server import build_marts
from warehouse import reader

# The first test waits until Superset has made its database, half a minute of both processors.
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning"),
]

FILES = dashboard_files.read()


@pytest.fixture(scope="module")
def superset(superset_house: Settings) -> Iterator[Superset]:
    """A session on a server that has what the files say; a test that changes it changes it back."""
    with sign_in(superset_house) as superset:
        applied_dashboards.apply(superset, superset_house, FILES)
        yield superset


def a_chart(superset: Superset) -> int:
    return superset.charts("orders")[0].chart_id


def differing(superset: Superset, settings: Settings) -> list[tuple[str, str]]:
    return [(one.path, one.what) for one in applied_dashboards.plan(superset, settings, FILES)]


def test_applying_again_changes_nothing(superset: Superset, superset_house: Settings) -> None:
    before = superset.export()
    assert applied_dashboards.apply(superset, superset_house, FILES) == []
    assert differing(superset, superset_house) == []
    after = superset.export()
    assert {path: text for path, text in after.items() if path != "metadata.yaml"} == {
        path: text for path, text in before.items() if path != "metadata.yaml"
    }


def test_what_was_changed_in_superset_is_told_and_undone(superset: Superset, superset_house: Settings) -> None:
    number = a_chart(superset)
    name = superset.charts("orders")[0].name
    superset.ask("PUT", f"/api/v1/chart/{number}", json={"slice_name": "Renamed", "description": "by hand"})
    ((path, what),) = differing(superset, superset_house)
    assert what == "differs in description, slice_name"
    assert [one.path for one in applied_dashboards.apply(superset, superset_house, FILES)] == [path]
    assert superset.ask("GET", f"/api/v1/chart/{number}").json()["result"]["slice_name"] == name
    assert differing(superset, superset_house) == []


def test_an_export_writes_the_files_as_they_are(superset: Superset, superset_house: Settings, tmp_path: Path) -> None:
    exported = dashboard_exports.from_server(superset.export(), superset_house.database_url, FILES)
    dashboard_files.write(exported, tmp_path)
    for path in FILES:
        assert (tmp_path / path).read_text() == (dashboard_files.FOLDER / path).read_text(), path


def test_what_only_superset_has_is_told_and_left_alone(superset: Superset, superset_house: Settings) -> None:
    made = superset.ask("POST", "/api/v1/dashboard/", json={"dashboard_title": "My own"}).json()["id"]
    assert differing(superset, superset_house) == [("dashboards/my_own.yaml", "is on the server only")]
    applied_dashboards.apply(superset, superset_house, FILES)
    superset.ask("DELETE", f"/api/v1/dashboard/{made}")


def test_its_log_keeps_changes_but_no_looks_and_no_secrets(superset: Superset, superset_house: Settings) -> None:
    applied_dashboards.answers(superset, "orders")
    with psycopg.connect(superset_house.superset_database_url) as connection:
        rows = connection.execute("select action, json from logs").fetchall()
    assert "ImportExportRestApi.import_" in {action for action, _ in rows}
    assert {action for action, _ in rows if "chart" in action.lower() and "put" not in action} == set()
    assert [text for _, text in rows if superset_house.reader_sign_in in text] == []


def test_a_broken_chart_is_named_by_the_check(superset: Superset, superset_house: Settings) -> None:
    (chart,) = (chart for chart in superset.charts("orders") if chart.name == "Orders")
    assert chart.query
    broken = {**chart.query, "queries": [{**chart.query["queries"][0], "metrics": ["no_such_metric"]}]}
    superset.ask("PUT", f"/api/v1/chart/{chart.chart_id}", json={"query_context": json.dumps(broken)})
    found = dashboards.judged(applied_dashboards.answers(superset, "orders"))
    applied_dashboards.apply(superset, superset_house, FILES)
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert found.description
    assert chart.name in found.description
    assert "no_such_metric" in found.description


def test_a_chart_without_rows_is_a_warning(superset: Superset, superset_house: Settings) -> None:
    with psycopg.connect(superset_house.database_url, autocommit=True) as connection:
        connection.execute("alter table marts.episodes_daily rename to set_aside")
        connection.execute("create table marts.episodes_daily (like marts.set_aside)")
        try:
            found = dashboards.judged(applied_dashboards.answers(superset, "anomalies"))
        finally:
            connection.execute("drop table marts.episodes_daily")
            connection.execute("alter table marts.set_aside rename to episodes_daily")
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert "Newest abnormal days: no rows" in str(found.description)


def test_a_file_that_superset_refuses_changes_nothing(superset: Superset, superset_house: Settings) -> None:
    path = next(path for path in FILES if path.startswith("charts/"))
    wrong = FILES | {path: FILES[path] | {"no_such_field": 1, "slice_name": "Wrong"}}
    with pytest.raises(DashboardsUnusable, match="Superset refuses"):
        applied_dashboards.apply(superset, superset_house, wrong)
    assert differing(superset, superset_house) == []


def test_dagster_applies_dashboards_after_their_marts_and_checks_them(superset_house: Settings) -> None:
    made = [marts, dashboards.assets(FILES, list(marts.specs))]
    only = dg.AssetSelection.groups("charts", "dashboards")
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(made, resources={"house": House(superset_house)}, instance=instance, selection=only)
    assert [check.passed for check in done.get_asset_check_evaluations()] == [True] * len(dashboard_files.slugs(FILES))
    told = {event.asset_key.to_user_string(): event for event in done.asset_materializations_for_node("dashboards")}
    assert len(told) == len([path for path in FILES if dashboard_files.kind(path) in ("charts", "dashboards")])
    assert told["dashboards/orders"].metadata["changed"].value == []
    assert str(told["dashboards/orders"].metadata["address"].value).endswith("/superset/dashboard/orders/")
    assert told["charts/orders_orders_by_state"].metadata["rows"].value == 7


def test_a_run_after_the_marts_keeps_what_was_changed_in_superset(superset: Superset, superset_house: Settings) -> None:
    made = [marts, dashboards.assets(FILES, list(marts.specs))]
    only, resources = dg.AssetSelection.assets(["dashboards", "orders"]), {"house": House(superset_house)}
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(made, resources=resources, instance=instance, selection=only)
        superset.ask("PUT", f"/api/v1/chart/{a_chart(superset)}", json={"description": "by hand"})
        tags = {dashboards.ONLY_CHANGED: "true"}
        dg.materialize(made, resources=resources, instance=instance, selection=only, tags=tags)
        assert [what for _, what in differing(superset, superset_house)] == ["differs in description"]
        dg.materialize(made, resources=resources, instance=instance, selection=only)
        assert differing(superset, superset_house) == []


def test_the_command_plans_applies_and_plans_nothing_more(
    superset: Superset, superset_house: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in superset_house.as_environment().items():
        monkeypatch.setenv(name, value)
    superset.ask("PUT", f"/api/v1/chart/{a_chart(superset)}", json={"description": "by hand"})
    assert main(["dashboards", "plan"]) == 1
    assert "differs in description" in capsys.readouterr().out
    assert main(["dashboards", "apply"]) == 0
    assert "1 of" in capsys.readouterr().out
    assert main(["dashboards", "plan"]) == 0
    assert "nothing to apply" in capsys.readouterr().out


def test_the_reader_reads_the_marts_and_nothing_else(superset_house: Settings) -> None:
    url = reader.url(superset_house.database_url, superset_house.reader_sign_in)
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("select count(*) from marts.orders").fetchone()
        for hidden in ("users", "readings", "staging.stg_readings"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select * from {hidden}")  # type: ignore[call-overload]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("create table marts.mine ()")
        # Also when it says that it may write.
        connection.execute("set default_transaction_read_only = off")
        for write in ("create table marts.mine ()", "delete from marts.orders", "insert into users default values"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(write)  # type: ignore[call-overload]


def test_a_mart_that_is_built_anew_stays_readable(superset_house: Settings) -> None:
    build_marts(superset_house)
    with psycopg.connect(reader.url(superset_house.database_url, superset_house.reader_sign_in)) as connection:
        assert connection.execute("select count(*) from marts.orders").fetchone()
