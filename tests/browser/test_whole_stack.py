"""The main job as a person sees it: orders and readings go in by the API, Dagster takes them on, the pages show it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.demo.client import Client
from infra.demo.traffic import body
from infra.examples import load, shifted_to_end_at
from infra.local import dagster, services
from sensorhouse.settings import Settings
from sensors_io.reading import ARROW
from tests.browser.chromium import keep_picture
from tests.browser.test_dashboard import expect_tile
from tests.stack import new_stack
from warehouse.accounts import seed_demo

pytestmark = pytest.mark.timeout(240)

# Dagster looks every five seconds, and a run takes about as long to start.
TAKEN_ON_WITHIN_MS = 90_000


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a whole running stack whose drains end soon."""
    stack = new_stack(
        tmp_path_factory.mktemp("stack"), linger_s=2.0, lake_flush_s=1.0, refresh_s=2.0, dashboard_sign_in=False
    )
    stack.up()
    given = stack.settings.model_dump(exclude_none=True)
    settings = Settings(_env_file=stack.settings.state_dir / "secrets.env", **given)
    seed_demo(settings.database_url)
    yield settings
    stack.sensorhouse("down", "--drop-data")


@pytest.fixture
def page(house: Settings, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    yield page
    keep_picture(page, request.node.name)


def test_readings_and_an_order_go_from_the_api_to_every_page(page: Page, house: Settings) -> None:
    page.goto(services.url(house))
    expect_tile(page, "Readings stored", "0")
    recording = shifted_to_end_at(load("speed_7578"), datetime.now(UTC).replace(microsecond=0))
    with Client(services.url(house), "gateway") as gateway, Client(services.url(house), "ada") as ada:
        assert gateway.upload(body(recording, ARROW), ARROW)["accepted"] == recording.height
        assert ada.order("TMP-100", 3)["status"] == "accepted"
        stored = page.locator(".tile", has=page.get_by_text("Readings stored", exact=True)).locator(".figure")
        expect(stored).to_have_text(f"{recording.height:,}", timeout=TAKEN_ON_WITHIN_MS)
        assert len(gateway.get("/sensors/data", sensor_id="SPD-100-0001", limit="10")["items"]) == 10

    for job in ("drain_readings", "drain_orders", "refresh_touched_keys"):
        page.goto(f"{dagster.url(house)}/runs?q[0]=job:{job}&q[1]=status:SUCCESS")
        expect(page.get_by_role("link", name=job).first).to_be_visible(timeout=TAKEN_ON_WITHIN_MS)

    page.goto(f"{dagster.url(house)}/asset-groups")
    for group in ("kafka", "raw", "readings", "staging", "marts"):
        expect(page.get_by_text(re.compile(f"^{group}")).first).to_be_visible(timeout=TAKEN_ON_WITHIN_MS)


def test_the_dashboard_shows_the_numbers_of_its_endpoint(page: Page, house: Settings) -> None:
    with Client(services.url(house), "vera") as vera:
        metrics, health = vera.get("/dashboard/metrics"), vera.get("/dashboard/health")
    page.goto(services.url(house))
    expect_tile(page, "Readings stored", f"{metrics['readings_stored']:,}")
    assert [part["name"] for part in health["parts"] if not part["healthy"]] == []
