"""Dagster's own processes, killed while its runs drain, with the stack as `sensorhouse up` starts it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.faults.matrix import MATRIX
from tests.faults.trial import conclude
from tests.faults.workload import Workload
from tests.readings import warehouse_rows
from tests.stack import Stack, new_stack
from tests.waiting import wait_until

# Seven processes, and runs that take seconds to start.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = new_stack(
        tmp_path / "stack",
        postgres_password=SecretStr("tests"),
        jwt_secret=SecretStr("a signing key for tests, 32 bytes or more"),
        slice_rows=250,
        slice_s=0.2,
        lake_flush_s=0.5,
        linger_s=2.0,
        max_run_s=20.0,
    )
    try:
        made.up()
        yield made
    finally:
        made.sensorhouse("down", "--drop-data")


def drains(stack: Stack) -> int:
    """How many runs have put something into the warehouse."""
    return int(warehouse_rows(stack.settings, "select count(distinct run_id) from slices")[0][0])


def wait_for_another_drain(stack: Stack) -> None:
    """Wait until Dagster has started one more run, and that drains."""
    before = drains(stack)
    wait_until(lambda: drains(stack) > before, "another run drains", within_s=150)


def kill(stack: Stack, names: tuple[str, ...]) -> None:
    """Kill these parts at once; returns when the stack has started them again."""
    before = {name: stack.part(name).restarts for name in names}
    for name in names:
        process = stack.part(name).process
        assert process
        os.kill(process.pid, signal.SIGKILL)
    for name in names:
        wait_until(
            lambda name=name: stack.part(name).restarts > before[name] and stack.part(name).state == "ready",  # type: ignore[misc]
            f"{name} is started again",
            within_s=120,
        )


def test_dagster_killed_while_its_runs_drain_loses_and_doubles_nothing(stack: Stack) -> None:
    row = MATRIX.begin("SIGKILL of Dagster's processes", "daemon; code server; both at once")
    with Workload(stack.settings, per_s=100) as workload:
        for names in (("daemon",), ("code-server",), ("code-server", "daemon")):
            wait_for_another_drain(stack)
            kill(stack, names)
        wait_for_another_drain(stack)
    conclude(stack.settings, row, workload.sendings)
