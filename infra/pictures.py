"""The documents' pictures, taken of the running stack: the live pages, Dagster's asset graph, Superset's dashboards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Page, sync_playwright

from api.frame import ORDERS
from assets import dashboard_files
from infra.demo.client import Client
from infra.local import dagster, services, tools
from sensorhouse.errors import PartMissing
from sensorhouse.settings import Settings
from warehouse.accounts import DEMO_PASSWORD

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
SHOWS_WITHIN_MS = 60_000


def take(settings: Settings, folder: Path = FOLDER) -> list[Path]:
    """Take them all; returns the files, whose names tell what they show."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu"])
        try:
            return [
                _dashboard(browser, settings, folder / "dashboard.png", width=1400, scheme="light"),
                _dashboard(browser, settings, folder / "dashboard-dark.png", width=1400, scheme="dark"),
                _dashboard(browser, settings, folder / "dashboard-narrow.png", width=400, scheme="light"),
                _sensor(browser, settings, folder / "sensor.png"),
                _order(browser, settings, folder / "order.png"),
                _asset_graph(browser, settings, folder / "asset-graph.png"),
                *(_superset(browser, settings, folder) if settings.superset else []),
            ]
        finally:
            browser.close()


def _dashboard(browser: Browser, settings: Settings, file: Path, *, width: int, scheme: str) -> Path:
    page = _opened(browser, settings, width=width, scheme=scheme)
    # The newest may be a unit on the bench, with a reading or two.
    page.locator("#episode label", has_text="judged in depth").first.click(timeout=SHOWS_WITHIN_MS)
    page.locator("#curve .points path").first.wait_for(timeout=SHOWS_WITHIN_MS)
    return _taken(page, file)


def _sensor(browser: Browser, settings: Settings, file: Path) -> Path:
    """The one whose episode was judged last."""
    page = _opened(browser, settings, width=1400, scheme="light")
    page.locator("#episode label", has_text="judged in depth").first.locator("a").click(timeout=SHOWS_WITHIN_MS)
    page.locator("#sensor-curve .js-line").first.wait_for(timeout=SHOWS_WITHIN_MS)
    return _taken(page, file)


def _order(browser: Browser, settings: Settings, file: Path) -> Path:
    """One in production, as the demo leaves it."""
    with Client(services.url(settings), "olivia") as olivia:
        order_id = olivia.get("/orders/", status="in_production")["items"][0]["order_id"]
    page = _opened(browser, settings, width=1400, scheme="light")
    page.goto(f"{services.url(settings)}{ORDERS}{order_id}")
    page.locator("#order-units td").first.wait_for(timeout=SHOWS_WITHIN_MS)
    return _taken(page, file)


def _opened(browser: Browser, settings: Settings, *, width: int, scheme: str) -> Page:
    page = browser.new_page(
        viewport={"width": width, "height": 600}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.goto(services.url(settings))
    if "/sign-in" in page.url:
        page.get_by_label("Username").fill("vera")
        page.get_by_label("Password").fill(DEMO_PASSWORD)
        page.get_by_role("button", name="Sign in").click()
    page.locator("#updated", has_text="UTC").wait_for(timeout=SHOWS_WITHIN_MS)
    return page


def _taken(page: Page, file: Path) -> Path:
    _settle(page)
    page.screenshot(path=file, full_page=True)
    page.close()
    return file


def _asset_graph(browser: Browser, settings: Settings, file: Path) -> Path:
    # So wide that the fitted graph shows what each asset says of itself.
    page = browser.new_page(viewport={"width": 2300, "height": 1500})
    # From Kafka to episodes: marts and charts are so many that nothing could be read.
    selected = quote(" or ".join(f'group:"{group}"' for group in ("kafka", "raw", "readings")))
    page.goto(f"{dagster.url(settings)}/asset-groups~{selected}")
    page.get_by_text("readings").first.wait_for(timeout=SHOWS_WITHIN_MS)
    _settle(page)
    page.keyboard.press("Alt+e")  # expands all groups, and says so in the address
    page.wait_for_url("**expanded=**")
    page.reload()  # fits what is expanded into the window
    page.get_by_text("raw_readings").first.wait_for(timeout=SHOWS_WITHIN_MS)
    _settle(page)
    page.screenshot(path=file)
    page.close()
    return file


def _superset(browser: Browser, settings: Settings, folder: Path) -> Iterator[Path]:
    page = browser.new_page()
    page.set_default_timeout(SHOWS_WITHIN_MS)
    sign_in_to_superset(page, settings)
    for slug in dashboard_files.slugs(dashboard_files.read()):
        yield _superset_dashboard(page, settings, slug, folder / f"superset-{slug}.png", width=1400)
    yield _superset_dashboard(page, settings, "anomalies", folder / "superset-anomalies-narrow.png", width=400)
    page.close()


def sign_in_to_superset(page: Page, settings: Settings) -> None:
    """As `superset_user`."""
    page.goto(f"{settings.superset_address}/login/")
    page.locator("input[name=username], input#username").first.fill(settings.superset_user)
    page.locator("input[name=password], input#password").first.fill(settings.superset_sign_in)
    page.locator("button[type=submit]").first.click()
    page.wait_for_url("**/superset/welcome/**", wait_until="commit")


def _superset_dashboard(page: Page, settings: Settings, slug: str, file: Path, *, width: int) -> Path:
    page.set_viewport_size({"width": width, "height": 1250})
    page.goto(f"{settings.superset_address}/superset/dashboard/{slug}/")
    page.locator(".dashboard-component-chart-holder canvas").first.wait_for()
    _settle(page)
    page.locator(".dashboard-component-chart-holder [data-test=loading-indicator]").first.wait_for(state="detached")
    page.screenshot(path=file)
    return file


def _settle(page: Page) -> None:
    """Let what moves come to rest."""
    page.wait_for_timeout(4_000)


def _chromium() -> str:
    found = tools.chromium()
    if found is None:
        raise PartMissing("the pictures need Chromium: run `make browser`")
    return found


if __name__ == "__main__":
    for picture in take(Settings.load()):
        sys.stdout.write(f"{picture}\n")
