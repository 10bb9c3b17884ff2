"""A drain that is killed between any two of its steps leaves, after the next one, everything once in both sinks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sensorhouse.settings import Settings
from sensors_io.balance import balance
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.readings import feeds, lake_rows, many, publish, publish_readings, readings_of, warehouse_rows

ROOT = Path(__file__).parents[2]
COUNT = 2_000
# Small slices, so that a run has many steps; the lake at its own pace, so that the sinks are apart.
SMALL = {"slice_rows": 250, "slice_s": 0.2, "lake_flush_s": 0.1, "linger_s": 0.5}


def drain_until_killed(settings: Settings, step: int) -> list[str]:
    """The steps that were reached; raises when the process was not killed."""
    environment = {**os.environ, **settings.as_environment(), "PYTHONPATH": str(ROOT)}
    victim = subprocess.run(
        [sys.executable, "-m", "tests.faults.drain_and_die", "readings", str(step)],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert victim.returncode == -9, f"ended by itself: {victim.stdout.decode()}"
    return victim.stdout.decode().split("\n")[:-1]


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 7, 9])
def test_a_drain_killed_after_any_step_loses_and_doubles_nothing(settings: Settings, step: int) -> None:
    settings = settings.model_copy(update=SMALL)
    publish_readings(settings, many(COUNT), per_message=1)
    publish(settings, settings.readings_topic, [(b"broken", 0), (b"{}", 1)])
    reached = drain_until_killed(settings, step)
    assert len(reached) == step
    drain(settings, readings_of(settings), open_lake(settings), run_id="heir")
    assert sorted(lake_rows(settings, "raw_readings").get_column("value").to_list()) == list(map(float, range(COUNT)))
    assert warehouse_rows(settings, "select count(*), count(distinct value) from raw_readings") == [(COUNT, COUNT)]
    assert warehouse_rows(settings, "select count(*) from dead_letters") == [(2,)]
    assert lake_rows(settings, "dead_letters").height == 2
    assert balance(settings, feeds(settings)["readings"], open_lake(settings), full=True).differences == {}


def test_a_drain_killed_over_and_over_gets_through(settings: Settings) -> None:
    settings = settings.model_copy(update=SMALL)
    publish_readings(settings, many(COUNT), per_message=1)
    steps = [name for _ in range(3) for name in drain_until_killed(settings, 2)]
    assert len(steps) == 6
    drain(settings, readings_of(settings), open_lake(settings), run_id="heir")
    assert warehouse_rows(settings, "select count(*), count(distinct value) from raw_readings") == [(COUNT, COUNT)]
    assert balance(settings, feeds(settings)["readings"], open_lake(settings), full=True).differences == {}
