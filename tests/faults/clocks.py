"""The clock of a process, set by the test while the process runs."""

from __future__ import annotations

from pathlib import Path

import pytest


def set_clock(clock: Path, offset: str) -> None:
    """Let the drains' clock be off by this much, from now on."""
    # Put in place whole: it may be read at any moment.
    written = clock.with_suffix(".new")
    written.write_text(offset + "\n")
    written.replace(clock)


def with_clock(clock: Path) -> dict[str, str]:
    """The environment of a process whose clock is as the file says."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        pytest.fail("libfaketime is not there: run infra/install-faketime")
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        # Setting a machine's clock moves the clock on the wall, not the one that durations are measured by.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
