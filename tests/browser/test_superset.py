"""The dashboards in Superset, as somebody sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Response, expect

from assets import applied_dashboards, dashboard_files
from assets.superset import sign_in
from infra.pictures import sign_in_to_superset
from sensorhouse.settings import Settings
from tests.browser.chromium import keep_picture, launched

# The first test waits until Superset has made its database, half a minute of both processors.
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning"),
]

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


@pytest.fixture(scope="module")
def page(shown: Settings) -> Iterator[Page]:
    """A page of somebody who is signed in; one for all tests, since the first visit fetches megabytes."""
    with launched() as browser:
        page = browser.new_page()
        page.set_default_timeout(SHOWS_WITHIN_MS)
        sign_in_to_superset(page, shown)
        yield page


def open_dashboard(page: Page, settings: Settings, slug: str, *, width: int = 1400) -> list[Response]:
    """Open it in a window so high that every chart is drawn; returns the charts' answers."""
    page.set_viewport_size({"width": width, "height": 4500})
    answers: list[Response] = []

    def keep(answer: Response) -> None:
        answers.append(answer)

    page.on("response", keep)
    page.goto(f"{settings.superset_address}/superset/dashboard/{slug}/")
    charts = len([path for path in dashboard_files.of_dashboard(FILES, slug) if path.startswith("charts/")])
    expect(page.locator(f"{HOLDER} .slice_container")).to_have_count(charts, timeout=SHOWS_WITHIN_MS)
    expect(page.locator(f"{HOLDER} [data-test=loading-indicator]")).to_have_count(0, timeout=SHOWS_WITHIN_MS)
    page.remove_listener("response", keep)
    return [answer for answer in answers if "/api/v1/chart/data?form_data" in answer.url]


def queries(request: Request) -> list[dict[str, Any]]:
    """What a chart asks for."""
    asked: list[dict[str, Any]] = request.post_data_json["queries"]
    return asked


@pytest.mark.parametrize("slug", dashboard_files.slugs(FILES))
def test_a_dashboard_shows_every_chart_from_the_cache(page: Page, shown: Settings, slug: str) -> None:
    answers = open_dashboard(page, shown, slug)
    keep_picture(page, slug)
    assert {answer.status for answer in answers} == {200}
    assert [answer.url for answer in answers if not answer.json()["result"][0]["is_cached"]] == []
    expect(page.locator(f"{HOLDER} [role=alert]")).to_have_count(0)
    expect(page.locator(HOLDER).get_by_text(re.compile("unexpected error|no results", re.IGNORECASE))).to_have_count(0)


def test_a_visit_reaches_nobody_else(page: Page, shown: Settings) -> None:
    requests: list[Request] = []

    def keep(request: Request) -> None:
        requests.append(request)

    page.on("request", keep)
    open_dashboard(page, shown, "platform")
    page.remove_listener("request", keep)
    elsewhere = [one for one in requests if not one.url.startswith((shown.superset_address, "data:", "blob:"))]
    # Superset's pages try; the browser doesn't let them.
    assert {one.failure for one in elsewhere} <= {"csp"}, [one.url for one in elsewhere]


def test_a_dashboard_fits_a_telephone(page: Page, shown: Settings) -> None:
    open_dashboard(page, shown, "orders", width=400)
    keep_picture(page, "orders-narrow")
    boxes = [page.locator(".grid-row > div").nth(number).bounding_box() for number in range(6)]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 400 for box in boxes), boxes


def test_a_click_in_a_chart_filters_the_others(page: Page, shown: Settings) -> None:
    open_dashboard(page, shown, "sensors")
    cell = page.locator(HOLDER, has_text="Statistics").locator("td").get_by_text("probe-1", exact=True)
    only_one = {"col": "sensor_id", "op": "IN", "val": ["probe-1"]}
    with page.expect_request(
        lambda one: "/api/v1/chart/data" in one.url and only_one in queries(one)[0].get("filters", [])
    ):
        cell.click()


def test_a_right_click_drills_down_to_the_rows(page: Page, shown: Settings) -> None:
    open_dashboard(page, shown, "sensors")
    cell = page.locator(HOLDER, has_text="Statistics").locator("td").get_by_text("probe-1", exact=True)
    cell.click(button="right")
    page.get_by_role("menuitem", name="Drill to detail by").hover()
    with page.expect_response(lambda one: "/datasource/samples" in one.url) as samples:
        page.get_by_text("Drill to detail by probe-1").click()
    rows = samples.value.json()["result"]["data"]
    assert rows
    assert {row["sensor_id"] for row in rows} == {"probe-1"}
    keep_picture(page, "drilled")


def test_a_filter_chooses_for_every_chart(page: Page, shown: Settings) -> None:
    open_dashboard(page, shown, "anomalies")
    page.locator(".filter-item-wrapper, [data-test=form-item-value]").get_by_role("combobox").first.click()
    page.get_by_title("probe-5", exact=True).first.click()
    only_one = {"col": "sensor_id", "op": "IN", "val": ["probe-5"]}
    with page.expect_request(
        lambda one: (
            "/api/v1/chart/data" in one.url
            and only_one in queries(one)[0].get("filters", [])
            and "Max" in (queries(one)[0]["metrics"] or [])
        )
    ) as curve:
        page.get_by_role("button", name="Apply").click()
    answer = curve.value.response()
    assert answer
    assert {name.split(", ")[-1] for name in answer.json()["result"][0]["colnames"][1:]} == {"probe-5"}
