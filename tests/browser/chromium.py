"""The machine's Chromium, and pictures of what the tests saw in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from infra.local import tools

PICTURES = Path(__file__).parents[2] / "test-results"


@contextmanager
def launched() -> Iterator[Browser]:
    """It runs, headless; meanwhile no event loop can be run."""
    found = tools.chromium()
    if found is None:
        pytest.fail("the browser tests need Chromium: run `make browser`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def keep_picture(page: Page, name: str) -> None:
    """Keep what the page shows, for somebody to look at."""
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png")
