"""The dashboards' files, and what is left out of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets import dashboard_exports, dashboard_files, superset
from sensorhouse.errors import DashboardsUnusable

FILES = dashboard_files.read()
WAREHOUSE = "postgresql://postgres:secret@db.example:6543/house"
MARTS = "dbt/models/marts"
CHARTS = {path: one for path, one in FILES.items() if path.startswith("charts/")}
DASHBOARDS = {path: one for path, one in FILES.items() if path.startswith("dashboards/")}


def exported(path: str, **changes: Any) -> dict[str, str]:
    """One file as a server exports it, with something changed."""
    text = dashboard_exports.for_server({path: FILES[path]}, WAREHOUSE)[path]
    return {path: yaml.safe_dump(yaml.safe_load(text) | changes)}


def test_what_a_server_exports_of_the_files_is_the_files() -> None:
    for_server = dashboard_exports.for_server(FILES, WAREHOUSE)
    assert dashboard_exports.from_server(for_server, WAREHOUSE, FILES) == FILES


def test_no_file_holds_a_password_or_an_address() -> None:
    database = FILES["databases/warehouse.yaml"]
    assert database["sqlalchemy_uri"] == dashboard_exports.WAREHOUSE
    told = dashboard_exports.for_server(FILES, WAREHOUSE)["databases/warehouse.yaml"]
    assert "sensorhouse_reader:XXXXXXXXXX@db.example:6543/house" in told
    assert "secret" not in "".join(dashboard_exports.for_server(FILES, WAREHOUSE).values())


def test_an_object_that_was_renamed_keeps_its_file() -> None:
    path = next(iter(CHARTS))
    theirs = dashboard_exports.from_server(exported(path, slice_name="Other"), WAREHOUSE, FILES)
    assert list(theirs) == [path]
    (found,) = dashboard_files.differences({path: FILES[path]}, theirs)
    assert found.what == "differs in slice_name"


def test_an_object_that_no_file_describes_gets_one_of_its_name() -> None:
    path = next(iter(CHARTS))
    new = exported(path, slice_name="What's new?", uuid="11111111-1111-4111-8111-111111111111")
    assert list(dashboard_exports.from_server(new, WAREHOUSE, FILES)) == ["charts/what_s_new.yaml"]


def test_a_servers_own_numbers_are_not_in_a_file() -> None:
    path, dashboard = next(iter(DASHBOARDS.items()))
    numbered = json.loads(json.dumps(dashboard["position"]))
    for item in numbered.values():
        if isinstance(item, dict) and item["type"] == "CHART":
            item["meta"]["chartId"] += 700
    metadata = json.loads(json.dumps(dashboard["metadata"])) | {"chart_configuration": {"701": {"id": 701}}}
    for chosen in metadata["native_filter_configuration"]:
        excluded = chosen.get("scope", {}).get("excluded", [])
        chosen["scope"] = {"rootPath": ["ROOT_ID"], "excluded": [number + 700 for number in excluded]}
        chosen["chartsInScope"] = [701]
    theirs = dashboard_exports.from_server(exported(path, position=numbered, metadata=metadata), WAREHOUSE, FILES)
    assert theirs == {path: dashboard}


def test_every_chart_has_its_query_and_is_on_one_dashboard() -> None:
    assert [path for path, one in CHARTS.items() if not one.get("query_context")] == []
    shown = [
        item["meta"]["uuid"]
        for one in DASHBOARDS.values()
        for item in one["position"].values()
        if isinstance(item, dict) and item["type"] == "CHART"
    ]
    assert sorted(shown) == sorted(one["uuid"] for one in CHARTS.values())


def test_a_dataset_has_the_columns_of_its_mart() -> None:
    declared = [yaml.safe_load(file.read_text()) for file in (dashboard_files.FOLDER.parents[2] / MARTS).glob("*.yml")]
    columns = {
        model["name"]: {column["name"]: column["data_type"].upper() for column in model["columns"]}
        for file in declared
        for model in file["models"]
    }
    for path, one in FILES.items():
        if path.startswith("datasets/"):
            plain = {column["column_name"]: column["type"] for column in one["columns"] if "expression" not in column}
            assert plain == columns[one["table_name"]], path


def test_a_dashboards_files_are_all_that_it_shows() -> None:
    for one in DASHBOARDS.values():
        files = dashboard_files.of_dashboard(FILES, one["slug"])
        assert {path.partition("/")[0] for path in files} == set(dashboard_files.KINDS)


def test_a_file_that_names_what_is_not_there_is_refused(tmp_path: Path) -> None:
    path = next(iter(CHARTS))
    dashboard_files.write({path: FILES[path]}, tmp_path)
    with pytest.raises(DashboardsUnusable, match=FILES[path]["dataset_uuid"]):
        dashboard_files.read(tmp_path)


def test_a_query_is_asked_within_the_time_that_a_dashboard_opens_with() -> None:
    period = superset.default_period(next(iter(DASHBOARDS.values()))["metadata"])
    # Today too: "Last quarter" would end with yesterday.
    assert period == 'DATEADD(DATETIME("today"), -90, day) : DATEADD(DATETIME("today"), 1, day)'
    query = {
        "queries": [
            {
                "time_range": "No filter",
                "filters": [
                    {"col": "hour", "op": "TEMPORAL_RANGE", "val": "No filter"},
                    {"col": "sensor_id", "op": "IN", "val": ["a"]},
                ],
            }
        ]
    }
    (asked,) = superset.within(query, period)["queries"]
    assert asked["time_range"] == period
    assert [one["val"] for one in asked["filters"]] == [period, ["a"]]
