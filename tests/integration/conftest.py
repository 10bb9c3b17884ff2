"""The API and the demo's users, for tests that ask them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sensorhouse.settings import Settings
from tests.api import Api, serving
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
