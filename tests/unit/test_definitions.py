"""What Dagster loads."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from assets.marts import marts
from orchestration import definitions
from orchestration import marts as marts_location

LOCATIONS = {"sensorhouse": definitions.defs, "marts": marts_location.defs}


@pytest.fixture(scope="module", params=LOCATIONS)
def repository(request: pytest.FixtureRequest) -> dg.RepositoryDefinition:
    return LOCATIONS[request.param].get_repository_def()


def test_a_code_location_loads_as_its_code_server_loads_it(repository: dg.RepositoryDefinition) -> None:
    repository.load_all_definitions()


def test_what_the_marts_read_is_an_asset_of_the_other_location() -> None:
    written = {spec.key for spec in (*definitions.defs.resolve_all_asset_specs(), *marts.specs)}
    assert {dep.asset_key for spec in marts.specs for dep in spec.deps} <= written


def test_a_drain_does_not_import_dbt() -> None:
    code = "import sys, orchestration.definitions; assert not {'dbt', 'dagster_dbt'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_asset_says_what_it_is() -> None:
    for spec in (*definitions.defs.resolve_all_asset_specs(), *marts.specs):
        assert spec.description, spec.key
        assert spec.kinds, spec.key
        assert spec.group_name not in (None, "default"), spec.key


def test_every_asset_has_an_owner_and_what_is_made_by_itself_says_how_old_it_may_become() -> None:
    for location in LOCATIONS.values():
        # What a location only reads has no description there.
        for spec in filter(lambda spec: spec.description, location.resolve_all_asset_specs()):
            assert spec.owners, spec.key
            assert bool(spec.freshness_policy) == ("fresh when" in spec.metadata), spec.key
            if spec.group_name in ("marts", "readings", "housekeeping"):
                assert spec.freshness_policy, spec.key


def test_what_has_the_name_of_another_is_not_told_to_be_it() -> None:
    specs = {spec.key.to_user_string(): spec for one in LOCATIONS.values() for spec in one.resolve_all_asset_specs()}
    assert specs["kafka/readings"].freshness_policy is None
    assert "live page" not in specs["dashboards/orders"].metadata
    assert specs["dashboards/anomalies"].metadata["fresh when"] == specs["dashboards/orders"].metadata["fresh when"]


def test_links_lead_to_tables_pages_and_assets_that_there_are() -> None:
    by_name = {spec.key.path[-1]: spec for spec in definitions.defs.resolve_all_asset_specs()}
    raw = by_name["raw_readings"].metadata
    assert raw["dagster/table_name"] == "public.reading_chunks"
    assert str(raw["live page"].value).endswith(":8000/")
    assert raw["dead letters"].value == by_name["dead_letters"].key
    dashboards = {spec.key for spec in marts_location.defs.resolve_all_asset_specs() if spec.group_name == "dashboards"}
    assert {spec.metadata["dashboard"].value for spec in by_name.values() if "dashboard" in spec.metadata} == dashboards
    assert str(by_name["anomalies"].metadata["lake table"].value).endswith("/lake/episodes")


def test_sensors_and_schedules_run_without_being_switched_on(repository: dg.RepositoryDefinition) -> None:
    assert {one.default_status for one in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}
    assert {one.default_status for one in repository.schedule_defs} <= {dg.DefaultScheduleStatus.RUNNING}
