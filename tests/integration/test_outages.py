"""Servers that refuse or don't answer are told by name, wherever in a drain it is found."""

from __future__ import annotations

import pytest

from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings
from sensors_io.lake import open_lake
from tests.readings import warehouse_rows
from warehouse.load import Loader
from warehouse.stores import ReadingStore


def test_a_lake_that_refuses_us_is_down(settings: Settings) -> None:
    stranger = Settings(_env_file=None, **(settings.model_dump() | {"s3_secret_access_key": "wrong"}))
    for ask in (open_lake(stranger).has, open_lake(stranger).table):
        with pytest.raises(DependencyDown, match="the lake does not answer"):
            ask("raw_readings")


def test_a_loader_whose_session_the_server_ended_finds_postgres_down(settings: Settings) -> None:
    loader = Loader(settings.database_url, topic="readings", topic_id="t", store=ReadingStore(), run_id="test")
    ended = warehouse_rows(
        settings,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()",
    )
    assert ended
    with pytest.raises(DependencyDown, match="Postgres does not answer"):
        loader.attach({0: 0}, "reading_chunks")
    loader.close()
