"""What Dagster loads."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration.definitions import defs


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return defs.get_repository_def()


def test_the_code_location_loads_as_the_code_server_loads_it(repository: dg.RepositoryDefinition) -> None:
    repository.load_all_definitions()


def test_every_asset_says_what_it_is(repository: dg.RepositoryDefinition) -> None:
    for spec in defs.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.kinds, spec.key
        assert spec.group_name not in (None, "default"), spec.key


def test_sensors_and_schedules_run_without_being_switched_on(repository: dg.RepositoryDefinition) -> None:
    assert {one.default_status for one in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}
    assert {one.default_status for one in repository.schedule_defs} == {dg.DefaultScheduleStatus.RUNNING}
