"""Staging that is killed at any of its steps comes, when it is done again, to what a full rebuild gives."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from assets.partition_keys import Key
from assets.staged_keys import Staged, StagingStep, stage_keys
from assets.staging import IDENTITY
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.readings import NOON, lake_rows, many, publish_readings, reading, readings_of, warehouse_rows

ROOT = Path(__file__).parents[2]
BRISK = {"slice_s": 0.2, "lake_flush_s": 0.0, "linger_s": 0.0}
DAY = NOON.date()


def take_in(settings: Settings, readings: list[dict[str, Any]]) -> None:
    publish_readings(settings, readings)
    drain(settings, readings_of(settings), open_lake(settings), run_id="test")


def staged(settings: Settings, day: date = DAY, *, rebuild: bool = False) -> Staged:
    (made,) = stage_keys(settings, open_lake(settings), [Key("temperature", day)], rebuild=rebuild)
    return made


def stage_until(settings: Settings, step: StagingStep) -> None:
    victim = subprocess.run(
        [sys.executable, "-m", "tests.faults.stage_and_die", DAY.isoformat(), step],
        env={**os.environ, **settings.as_environment(), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert victim.returncode == -9


@pytest.mark.parametrize("step", list(StagingStep))
def test_staging_killed_at_any_step_loses_and_doubles_nothing(settings: Settings, step: StagingStep) -> None:
    settings = settings.model_copy(update=BRISK)
    first = many(40)
    take_in(settings, first)
    staged(settings)
    revised = [one | {"value": -1.0} for one in first[:3]]
    take_in(settings, [*many(40, start=NOON + timedelta(hours=1)), *first[:5], *revised])
    stage_until(settings, step)
    take_in(settings, [*first[:2], reading(at=NOON + timedelta(hours=2))])
    made = staged(settings)
    assert (made.raw, made.staged, made.duplicates, made.revisions) == (91, 81, 5, 5)
    gone_on = lake_rows(settings, "readings")
    assert staged(settings, rebuild=True).rebuilt
    assert_frame_equal(gone_on.sort(IDENTITY), lake_rows(settings, "readings").sort(IDENTITY))
    assert warehouse_rows(settings, "select raw, staged, duplicates, revisions from staged_keys") == [(91, 81, 5, 5)]
