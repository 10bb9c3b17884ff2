"""A drain that is killed between any two of its steps leaves, after the next one, everything once in both sinks."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from sensorhouse.settings import Settings
from tests.faults.drains import Drain
from tests.faults.matrix import MATRIX
from tests.faults.trial import conclude, trial
from tests.faults.workload import Workload
from tests.waiting import wait_until
from warehouse.steps import Step

# At which of the times that a run reaches the step it is killed: the first, and where it comes again, a later one.
ONCE, AGAIN = (1,), (1, 3)
CASES: dict[Step, tuple[int, ...]] = {
    Step.TOPIC_DESCRIBED: ONCE,
    Step.PARTITIONS_LOCKED: ONCE,
    Step.LEDGER_READ: ONCE,
    Step.RAW_MARKS_READ: ONCE,
    Step.DEAD_MARKS_READ: ONCE,
    Step.MARKS_REPORTED: ONCE,
    Step.SLICE_READ: AGAIN,
    Step.SLICE_DECODED: AGAIN,
    Step.TOPIC_CONFIRMED: AGAIN,
    Step.LEDGER_ADVANCED: AGAIN,
    Step.ROWS_COPIED: AGAIN,
    Step.DEAD_LETTERS_COPIED: AGAIN,
    Step.WAREHOUSE_COMMITTED: AGAIN,
    Step.RAW_COMMITTED: AGAIN,
    Step.DEAD_LETTERS_COMMITTED: AGAIN,
    Step.LAKE_REPORTED: AGAIN,
    Step.OFFSETS_MIRRORED: AGAIN,
    Step.SINKS_FINISHED: ONCE,
    Step.BALANCE_TAKEN: ONCE,
}


def test_every_step_has_its_case() -> None:
    assert set(CASES) == set(Step)


@pytest.mark.parametrize(
    ("step", "nth"),
    [
        pytest.param(step, nth, id=f"{step}-{nth}", marks=[pytest.mark.long] if nth > 1 else [])
        for step, times in CASES.items()
        for nth in times
    ],
)
def test_a_drain_killed_at_any_step_loses_and_doubles_nothing(
    small: Settings, tmp_path: Path, step: Step, nth: int
) -> None:
    row = MATRIX.begin("SIGKILL of the drain", f"at: {step}")
    # Short, so that a run also comes to its end while data flows.
    brief = small.model_copy(update={"max_run_s": 2.0})
    with Workload(small) as workload:
        workload.wait_for(200)
        victim = Drain(brief, tmp_path / "victim.log", at=step, nth=nth)
        status = victim.wait()
        workload.wait_for(50)
    assert status == -signal.SIGKILL, f"ended by itself: {victim.lines}"
    assert f"kill at {step}" in victim.lines
    assert victim.steps.count(step) == nth
    conclude(small, row, workload.sendings)


def test_drains_killed_over_and_over_get_through(small: Settings, tmp_path: Path) -> None:
    with trial(small, tmp_path, "SIGKILL of the drain", "over and over, whatever it does") as world:
        for _ in range(4):
            world.wait_for_flow(50)
            assert world.drains.kill() == 1
            wait_until(lambda: world.drains.living[-1].process.poll() is None, "another drain was started")
