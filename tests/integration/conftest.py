"""The API and the demo's users, for tests that ask them, and a Redis for those that share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sensorhouse.settings import Settings
from tests.api import Api, serving
from tests.redis_server import redis_server
from tests.servers import Server
from warehouse.accounts import add_user, seed_demo


@pytest.fixture
def demo(settings: Settings) -> Settings:
    """Settings whose warehouse has the demo's users, and `root`, an admin."""
    seed_demo(settings.database_url)
    add_user(settings.database_url, "root", "a long pass phrase", ["admin"])
    return settings


@pytest.fixture
async def api(demo: Settings) -> AsyncIterator[Api]:
    """The API with the demo's users."""
    async with serving(demo) as api:
        yield api


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    """A Redis of the test's own."""
    with redis_server(tmp_path) as server:
        yield server
