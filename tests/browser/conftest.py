"""A browser, and the API that it looks at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from infra.local import ports, services
from sensorhouse.settings import Settings
from tests.browser.chromium import keep_picture, launched
from tests.servers import Server
from warehouse.accounts import seed_demo


# Of each test, not of the session: Playwright's event loop would be in the way of tests that are coroutines.
@pytest.fixture
def chromium() -> Iterator[Browser]:
    """The machine's Chromium, headless."""
    with launched() as browser:
        yield browser


@pytest.fixture
def page(site: Settings, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """An empty page, whose end is kept as a picture; an error that its scripts raise fails the test.

    It asks for `site` so that this comes first: making users runs an event loop, which Playwright's would forbid.
    """
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    keep_picture(page, request.node.name)
    assert errors == []


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings of an API that is served, with the demo's users; it asks for a sign-in."""
    (port,) = ports.free(1)
    served = settings.model_copy(update={"api_port": port})
    seed_demo(served.database_url)
    server = Server(services.api(served), tmp_path / "api.log")
    server.start()
    yield served
    server.stop()
