"""The live dashboard, as somebody sees it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Page, expect

from infra.demo.client import Client
from infra.examples import load, shifted_to_end_at
from infra.local import services
from sensorhouse.settings import Settings
from sensors_io.arrow_codec import encode
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from sensors_io.reading import ARROW
from tests.episodes import mark_spikes
from tests.readings import feeds
from warehouse.accounts import DEMO_PASSWORD
from warehouse.database import connect

MOVES_WITHIN_MS = 15_000
# What is in the warehouse, on a page that is open.
SHOWS_WITHIN_MS = 5_000


def sign_in(page: Page, site: Settings, password: str = DEMO_PASSWORD) -> None:
    page.goto(services.url(site))
    page.get_by_label("Username").fill("vera")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def upload(site: Settings, name: str, *, ends_at: datetime | None = None) -> int:
    """Send a recording as a gateway does, as if it ended just now; returns how many readings were accepted."""
    with httpx.Client(base_url=services.url(site), timeout=30) as client:
        form = {"username": "gateway", "password": DEMO_PASSWORD}
        token = client.post("/auth/token", data=form).raise_for_status().json()["access_token"]
        recording = shifted_to_end_at(load(name), ends_at or datetime.now(UTC).replace(microsecond=0))
        headers = {"authorization": f"Bearer {token}", "content-type": ARROW}
        sent = client.post("/sensors/data", content=encode(recording), headers=headers).raise_for_status()
        accepted: int = sent.json()["accepted"]
        return accepted


def drain_readings(site: Settings) -> None:
    brisk = site.model_copy(update={"linger_s": 0.0, "slice_s": 0.5, "lake_flush_s": 0.0})
    drain(brisk, feeds(brisk)["readings"], open_lake(brisk), run_id="test")


def expect_tile(page: Page, name: str, number: str) -> None:
    figure = page.locator(".tile", has=page.get_by_text(name, exact=True)).locator(".figure")
    expect(figure).to_have_text(number, timeout=MOVES_WITHIN_MS)


def test_uploaded_readings_show_without_a_reload(page: Page, site: Settings) -> None:
    sign_in(page, site)
    expect_tile(page, "Readings stored", "0")
    accepted = upload(site, "speed_7578")
    # Waiting in Kafka first, then loaded.
    expect(page.locator("#tiles")).to_contain_text(re.compile(r"Lag\s*[1-9]"), timeout=MOVES_WITHIN_MS)
    drain_readings(site)
    expect_tile(page, "Readings stored", f"{accepted:,}")
    expect_tile(page, "Lag", "0")
    # The bucket that is filling is left out; until it is full the line is flat, which counts as hidden.
    expect(page.locator("#rates .scatterlayer .js-line")).to_be_visible(timeout=2 * MOVES_WITHIN_MS)


def test_a_chosen_anomaly_is_drawn_on_its_curve(page: Page, site: Settings) -> None:
    upload(site, "speed_7578")
    drain_readings(site)
    mark_spikes(site, below=5)
    sign_in(page, site)
    choices = page.locator("#episode label")
    expect(choices).not_to_have_count(0, timeout=MOVES_WITHIN_MS)
    expect(page.locator("#curve-title")).to_contain_text("SPD-100-0001", timeout=MOVES_WITHIN_MS)
    expect(page.locator("#curve .points path").first).to_be_visible(timeout=MOVES_WITHIN_MS)
    if choices.count() > 1:
        choices.last.click()
        expect(choices.last).to_have_class(re.compile("selected"))
        # The choice outlives the next refreshes.
        for _ in range(2):
            updated = page.locator("#updated")
            expect(updated).not_to_have_text(updated.inner_text(), timeout=MOVES_WITHIN_MS)
        expect(choices.last).to_have_class(re.compile("selected"))


def test_a_part_that_is_away_is_told_with_the_reason(page: Page, site: Settings) -> None:
    sign_in(page, site)
    away = page.locator("#parts li.ill", has_text="Dagster webserver")
    expect(away).to_be_visible(timeout=MOVES_WITHIN_MS)
    expect(away.locator(".detail")).not_to_be_empty()
    expect(page.locator("#overall")).to_contain_text("need")


def test_a_wrong_password_is_told_and_changes_nothing(page: Page, site: Settings) -> None:
    sign_in(page, site, password="not the password")
    expect(page.get_by_role("alert")).to_have_text("wrong username or password")
    page.goto(services.url(site))
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_the_page_fits_a_telephone(page: Page, site: Settings) -> None:
    page.set_viewport_size({"width": 400, "height": 860})
    sign_in(page, site)
    expect_tile(page, "Readings stored", "0")
    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_the_page_leads_to_the_other_uis(page: Page, site: Settings) -> None:
    sign_in(page, site)
    expect(page.get_by_role("navigation", name="Elsewhere")).to_be_visible(timeout=MOVES_WITHIN_MS)
    links = page.get_by_role("navigation", name="Elsewhere").get_by_role("link").all()
    addresses = {link.inner_text(): link.get_attribute("href") for link in links}
    assert addresses == {
        "Dagster": site.dagster_address,
        "Superset": f"{site.superset_address}/dashboard/list/",
        "API": "/docs",
    }


def test_the_page_of_a_sensor_shows_what_the_warehouse_holds(page: Page, site: Settings) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    accepted = upload(site, "speed_7578", ends_at=now)
    drain_readings(site)
    mark_spikes(site, below=5)
    with connect(site.database_url) as connection:
        ((found,),) = connection.execute("select count(*) from episodes where verdict is null").fetchall()
    sign_in(page, site)
    page.locator("#episode a", has_text="SPD-100-0001").first.click(timeout=MOVES_WITHIN_MS)
    expect(page).to_have_title("SPD-100-0001 · Sensorhouse")
    expect(page.locator("#sensor-told")).to_contain_text("speed in mph", timeout=MOVES_WITHIN_MS)
    expect(page.locator("#sensor-episodes tbody tr")).to_have_count(min(found, 50), timeout=MOVES_WITHIN_MS)
    page.get_by_text("month", exact=True).click()
    counts, curve = page.locator("#sensor-counts"), page.locator("#sensor-curve .scatterlayer .js-line")
    expect(counts).to_have_text(f"{accepted:,} readings in this time, 0 repeated, 0 revised", timeout=MOVES_WITHIN_MS)
    expect(curve.first).to_be_visible(timeout=MOVES_WITHIN_MS)
    upload(site, "speed_7578", ends_at=now)
    drain_readings(site)
    again = f"{2 * accepted:,} readings in this time, {accepted:,} repeated, 0 revised"
    expect(counts).to_have_text(again, timeout=SHOWS_WITHIN_MS)


def test_the_page_of_an_order_follows_its_steps_and_units(page: Page, site: Settings) -> None:
    with Client(services.url(site), "ada") as ada, Client(services.url(site), "olivia") as olivia:
        order = ada.order("TMP-100", 3)
        sign_in(page, site)
        page.locator("#latest-orders a").first.click(timeout=MOVES_WITHIN_MS)
        expect(page.locator("#order-told")).to_contain_text("accepted", timeout=MOVES_WITHIN_MS)
        for status in ("routed", "in_production"):
            olivia.set_status(order["order_id"], status)
        olivia.enter_units(order["order_id"], ["tmp-1", "tmp-2"], "dresden-1")
        expect(page.locator("#order-told")).to_contain_text("in production", timeout=SHOWS_WITHIN_MS)
        expect(page.locator("#order-history tbody tr")).to_have_count(3)
        expect(page.locator("#order-yield")).to_contain_text("2 of 3 built: 0 passed, 0 failed, 2 untested")
        page.get_by_role("link", name="tmp-1").click()
        expect(page.locator("#sensor-unit")).to_contain_text("untested", timeout=MOVES_WITHIN_MS)
        page.get_by_label("Find").fill(order["order_id"])
        page.get_by_label("Find").press("Enter")
        expect(page.locator("#order-facts")).to_contain_text("TMP-100", timeout=MOVES_WITHIN_MS)


@pytest.mark.parametrize("path", ["/live/sensors/SPD-100-0001", "/live/orders/0192f5a0-0000-7000-8000-000000000001"])
def test_the_pages_of_one_thing_fit_a_telephone(page: Page, site: Settings, path: str) -> None:
    page.set_viewport_size({"width": 400, "height": 860})
    sign_in(page, site)
    expect_tile(page, "Readings stored", "0")
    page.goto(f"{services.url(site)}{path}")
    expect(page.locator("#updated")).to_contain_text("UTC", timeout=MOVES_WITHIN_MS)
    expect(page.locator(".subject")).to_contain_text(re.compile("no such order|never heard|was ever heard"))
    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_a_page_whose_data_stop_says_so(page: Page, site: Settings) -> None:
    sign_in(page, site)
    expect_tile(page, "Readings stored", "0")
    page.context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("No new data for more than 10 s", timeout=30_000)
    page.context.set_offline(False)
    expect(page.locator("#stale")).to_be_hidden(timeout=MOVES_WITHIN_MS)


def test_a_page_whose_sign_in_has_ended_asks_for_it_and_goes_on(page: Page, site: Settings) -> None:
    sign_in(page, site)
    where = f"{services.url(site)}/live/sensors/SPD-100-0001"
    page.goto(where)
    expect(page.locator("#updated")).to_contain_text("UTC", timeout=MOVES_WITHIN_MS)
    page.context.clear_cookies()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=MOVES_WITHIN_MS)
    page.get_by_label("Username").fill("vera")
    page.get_by_label("Password").fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(where)


def test_the_page_is_used_by_keyboard_alone(page: Page, site: Settings) -> None:
    upload(site, "speed_7578")
    drain_readings(site)
    mark_spikes(site, below=5)
    sign_in(page, site)
    expect(page.locator("#episode label")).not_to_have_count(0, timeout=MOVES_WITHIN_MS)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    choices = page.get_by_role("radiogroup", name="Latest anomalies").get_by_role("radio")
    choices.first.focus()
    page.keyboard.press("ArrowDown")
    expect(choices.nth(1)).to_be_checked()
    # What does not change stays as it is, and what is put in anew gives the focus back.
    link = page.locator("#episode a").first
    link.focus()
    for _ in range(2):
        updated = page.locator("#updated")
        expect(updated).not_to_have_text(updated.inner_text(), timeout=MOVES_WITHIN_MS)
    expect(link).to_be_focused()
    with Client(services.url(site), "ada") as ada:
        ada.order("TMP-100", 3)
        links = page.locator("#latest-orders a")
        expect(links).to_have_count(1, timeout=MOVES_WITHIN_MS)
        links.first.focus()
        ada.order("TMP-100", 3)
        expect(links).to_have_count(2, timeout=MOVES_WITHIN_MS)
    expect(links.last).to_be_focused()
