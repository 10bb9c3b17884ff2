"""The dashboards in Superset, as somebody sees them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from assets import applied_dashboards, dashboard_files
from assets.superset import sign_in
from infra.local import superset
from sensorhouse.settings import Settings

# The first test waits until Superset has made its database, half a minute of both processors.
pytestmark = pytest.mark.timeout(300)

SHOWS_WITHIN_MS = 60_000
FILES = dashboard_files.read()
HOLDER = ".dashboard-component-chart-holder"


@pytest.fixture(scope="module")
def shown(superset_house: Settings) -> Settings:
    """Settings of a Superset that has the dashboards, with every chart's answer in its cache."""
    with sign_in(superset_house) as session:
        applied_dashboards.apply(session, superset_house, FILES)
        for slug in dashboard_files.slugs(FILES):
            applied_dashboards.answers(session, slug)
    return superset_house


@pytest.fixture
def page(shown: Settings, chromium: Browser) -> Iterator[Page]:
    """A page of somebody who is signed in."""
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(f"{superset.url(shown)}/login/")
    page.locator("input[name=username], input#username").first.fill(shown.superset_user)
    page.locator("input[name=password], input#password").first.fill(shown.superset_sign_in)
    page.locator("button[type=submit]").first.click()
    page.wait_for_url("**/superset/welcome/**", timeout=SHOWS_WITHIN_MS, wait_until="commit")
    yield page
    page.close()


def open_dashboard(page: Page, settings: Settings, slug: str) -> None:
    """Open it, and scroll through it: charts are drawn when they come into sight."""
    page.goto(f"{superset.url(settings)}/superset/dashboard/{slug}/")
    charts = len([path for path in dashboard_files.of_dashboard(FILES, slug) if path.startswith("charts/")])
    expect(page.locator(HOLDER)).to_have_count(charts, timeout=SHOWS_WITHIN_MS)
    for number in range(charts):
        holder = page.locator(HOLDER).nth(number)
        holder.scroll_into_view_if_needed()
        expect(holder.locator(".slice_container, .superset-legacy-chart, canvas, table").first).to_be_visible(
            timeout=SHOWS_WITHIN_MS
        )
        expect(holder.locator(".loading, [data-test=loading-indicator]")).to_have_count(0, timeout=SHOWS_WITHIN_MS)


def keep_picture(page: Page, name: str) -> None:
    """For somebody to look at, where the environment names a folder for it."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("slug", dashboard_files.slugs(FILES))
def test_a_dashboard_shows_every_chart(page: Page, shown: Settings, slug: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    answers: list[Response] = []
    page.on("response", lambda one: answers.append(one) if "/api/v1/chart/data" in one.url else None)
    open_dashboard(page, shown, slug)
    keep_picture(page, f"{slug}-{width}")
    assert {answer.status for answer in answers} == {200}
    expect(page.locator(f"{HOLDER} [role=alert]")).to_have_count(0)
    expect(page.locator(HOLDER).get_by_text(re.compile("unexpected error|no results", re.IGNORECASE))).to_have_count(0)


def test_an_opened_dashboard_finds_its_answers_in_the_cache(page: Page, shown: Settings) -> None:
    answers: list[Response] = []
    page.on("response", lambda one: answers.append(one) if "/api/v1/chart/data" in one.url else None)
    open_dashboard(page, shown, "orders")
    charts = [answer for answer in answers if "form_data" in answer.url]
    assert charts
    assert [answer.url for answer in charts if not answer.json()["result"][0]["is_cached"]] == []
