"""A drain that lies still while another takes its place writes to no table when it wakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sensorhouse.settings import Settings
from sensors_io.lake import open_lake
from tests.faults import drain_process
from tests.faults.drains import Drain
from tests.faults.matrix import MATRIX
from tests.faults.sessions import end_sessions
from tests.faults.trial import conclude
from tests.faults.workload import Workload
from tests.readings import warehouse_rows
from tests.waiting import wait_until
from warehouse.steps import Step

# All but `lake_commits`: there it may still note which version its own last commit was, which is true for ever.
TABLES = ("ledger", "slices", "reading_chunks", "dead_letters", "touched_keys", "lake_marks")
# Steps at which a writer is between two writes; within Postgres' transaction its row lock would hold up the heir.
STEPS = (
    Step.DEAD_MARKS_READ,
    Step.SLICE_READ,
    Step.SLICE_DECODED,
    Step.WAREHOUSE_COMMITTED,
    Step.RAW_COMMITTED,
    Step.DEAD_LETTERS_COMMITTED,
    Step.LAKE_REPORTED,
)
# Steps within it.
HOLDING = (Step.LEDGER_ADVANCED, Step.ROWS_COPIED, Step.DEAD_LETTERS_COPIED)


def sampled(steps: Sequence[Step], *sample: Step) -> list[Any]:
    """The steps as parameters, all but the sample's marked as long."""
    return [pytest.param(step, marks=[] if step in sample else [pytest.mark.long]) for step in steps]


def state(settings: Settings) -> dict[str, Any]:
    """What every table that a drain writes holds, as far as a zombie could change it."""
    lake = open_lake(settings)
    versions = {name: lake.table(name).version() for name in ("raw_readings", "dead_letters")}
    rows = {name: sorted(map(str, warehouse_rows(settings, f"select * from {name}"))) for name in TABLES}
    return versions | rows


def stopped_at(settings: Settings, folder: Path, step: Step) -> Drain:
    """A drain that lies still at that step."""
    zombie = Drain(settings, folder / "zombie.log", at=step, action="stop", nth=2 if step in HOLDING else 1)
    wait_until(zombie.is_stopped, f"it lies still at {step}")
    return zombie


def drained_by_heir(settings: Settings, folder: Path) -> Drain:
    heir = Drain(settings, folder / "heir.log")
    # The zombie may lie still within its transaction, which the server ends in time.
    heir.wait(90)
    return heir


@pytest.mark.parametrize("step", sampled(STEPS, Step.SLICE_DECODED))
def test_while_a_drain_lies_still_another_is_refused_and_it_goes_on_when_woken(
    small: Settings, tmp_path: Path, step: Step
) -> None:
    row = MATRIX.begin("a drain is stopped and woken, another tries meanwhile", f"at: {step}")
    with Workload(small) as workload:
        workload.wait_for(200)
        zombie = stopped_at(small, tmp_path, step)
        assert drained_by_heir(small, tmp_path).outcome == "refused"
        zombie.wake()
        workload.wait_for(50)
    assert zombie.wait() == 0, zombie.lines
    conclude(small, row, workload.sendings)


@pytest.mark.parametrize("sessions", ["its locks' session", pytest.param("all its sessions", marks=[pytest.mark.long])])
@pytest.mark.parametrize("step", sampled(STEPS, Step.WAREHOUSE_COMMITTED, Step.RAW_COMMITTED))
def test_a_drain_that_wakes_after_its_place_was_taken_writes_to_no_table(
    small: Settings, tmp_path: Path, step: Step, sessions: str
) -> None:
    row = MATRIX.begin(f"a stopped drain loses {sessions}, its heir drains all, it wakes", f"at: {step}")
    with Workload(small) as workload:
        workload.wait_for(200)
        zombie = stopped_at(small, tmp_path, step)
        assert end_sessions(small, sessions) > 0
        workload.wait_for(50)
        workload.end()
        assert drained_by_heir(small, tmp_path).outcome.startswith("caught up")
        before = state(small)
        zombie.wake()
        status = zombie.wait()
    assert status in (drain_process.STOPPED, drain_process.DOWN), zombie.lines
    assert state(small) == before
    conclude(small, row, workload.sendings)


@pytest.mark.parametrize("step", sampled(HOLDING, Step.ROWS_COPIED))
def test_a_drain_stopped_within_its_transaction_and_ended_by_the_server_leaves_nothing_of_it(
    small: Settings, tmp_path: Path, step: Step
) -> None:
    row = MATRIX.begin("a drain stopped within its transaction loses all its sessions, it wakes", f"at: {step}")
    with Workload(small) as workload:
        workload.wait_for(200)
        zombie = stopped_at(small, tmp_path, step)
        assert end_sessions(small, "all its sessions") > 0
        workload.end()
        assert drained_by_heir(small, tmp_path).outcome.startswith("caught up")
        before = state(small)
        zombie.wake()
        status = zombie.wait()
    assert status in (drain_process.STOPPED, drain_process.DOWN), zombie.lines
    assert state(small) == before
    conclude(small, row, workload.sendings)


@pytest.mark.long
@pytest.mark.parametrize("step", HOLDING)
def test_an_heir_waits_seconds_for_the_transaction_of_a_drain_that_lies_still(
    small: Settings, tmp_path: Path, step: Step
) -> None:
    row = MATRIX.begin("a drain stopped within its transaction loses its locks' session, it wakes", f"at: {step}")
    with Workload(small) as workload:
        workload.wait_for(200)
        zombie = stopped_at(small, tmp_path, step)
        assert end_sessions(small, "its locks' session alone") == 1
        workload.end()
        assert drained_by_heir(small, tmp_path).outcome.startswith("caught up")
        before = state(small)
        zombie.wake()
        status = zombie.wait()
    assert status in (drain_process.STOPPED, drain_process.DOWN), zombie.lines
    assert state(small) == before
    conclude(small, row, workload.sendings)
