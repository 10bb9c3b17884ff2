"""The machine's Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

from infra.local import tools


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
