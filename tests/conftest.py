"""What every test may ask for: settings whose database, bucket and topics are its own, on real servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import tools
from sensorhouse.errors import PartMissing
from sensorhouse.settings import PREFIX, Settings
from tests.servers import Servers, fetch_programs, start_servers


def pytest_configure() -> None:
    """Keep the user's own settings out of the tests, but for where downloads are kept."""
    for name in [name for name in os.environ if name.startswith(PREFIX) and name != f"{PREFIX}CACHE_DIR"]:
        del os.environ[name]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Fetch before several processes share the tests, of which none could say what is missing."""
    if session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput"):
        fetch({"servers", "superset_house"})


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch what the chosen tests need."""
    fetch({name for item in session.items for name in getattr(item, "fixturenames", ())})


def fetch(wanted: set[str]) -> None:
    """Fetch and build the programs of these fixtures, where they aren't there yet, outside of any test's time."""
    if "servers" in wanted:
        try:
            fetch_programs()
            if "superset_house" in wanted:
                tools.superset(Settings(_env_file=None))
        except PartMissing as error:
            raise pytest.UsageError(str(error)) from error


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Kafka, Postgres and S3, started when a test first asks for them; what a test kills is started again after it."""
    started = start_servers(tmp_path_factory.mktemp("servers"))
    yield started
    started.stop()


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a test: a migrated database, a lake on S3 and two empty topics that nobody else has."""
    made = servers.new_settings(state_dir=tmp_path)
    yield made
    servers.start()
    servers.drop(made)


@pytest.fixture(scope="session")
def superset_house(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a Superset that runs, on marts with something in them; its dashboards are the tests' to change."""
    # Only here: dbt and Dagster take seconds to import.
    from tests.superset_server import superset_on_marts

    with superset_on_marts(servers, tmp_path_factory.mktemp("superset")) as settings:
        yield settings


@pytest.fixture
def folder_settings(settings: Settings, tmp_path: Path) -> Settings:
    """The same with the lake in a folder."""
    nothing = {"s3_endpoint": None, "s3_access_key_id": None, "s3_secret_access_key": None}
    return Settings(_env_file=None, **(settings.model_dump() | nothing | {"lake_url": str(tmp_path / "lake")}))
