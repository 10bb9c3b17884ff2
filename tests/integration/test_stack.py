"""The `sensorhouse` command and the local stack, as a user starts, hurts and ends them."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local import places, state, supervisor
from sensorhouse.settings import Settings
from tests.stack import Stack, new_stack
from warehouse.database import connect

# Seven processes twice, on a machine that may have other things to do.
pytestmark = pytest.mark.timeout(240)

PARTS = {"postgres", "kafka", "code-server", "marts-server", "api", "relay", "webserver", "daemon"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = new_stack(tmp_path_factory.mktemp("stack"))
    yield made
    made.sensorhouse("down", "--drop-data")


def test_up_starts_every_part_and_a_second_up_says_so(stack: Stack) -> None:
    stack.up()
    status = stack.sensorhouse("status")
    assert status.returncode == 0, status.stdout
    assert {line.split()[0] for line in status.stdout.split("\n\n")[0].splitlines()[1:] if line.strip()} == PARTS
    again = stack.sensorhouse("up")
    assert again.returncode == 0
    assert "already running" in again.stdout


@pytest.mark.parametrize("name", ["api", "kafka"])
def test_a_killed_part_is_started_again(stack: Stack, name: str) -> None:
    stack.up()
    before = stack.part(name)
    assert before.process
    os.kill(before.process.pid, signal.SIGKILL)
    _wait(lambda: stack.part(name).restarts == before.restarts + 1 and stack.part(name).state == "ready")
    assert stack.part(name).process != before.process


def test_secrets_are_for_their_owner_alone_and_on_no_command_line(stack: Stack) -> None:
    stack.up()
    secrets = places.state_dir(stack.settings) / "secrets.env"
    assert secrets.stat().st_mode & 0o077 == 0
    values = [line.partition("=")[2] for line in secrets.read_text().splitlines()]
    assert len(values) == 2
    for process in supervisor.leftovers(stack.settings):
        words = Path(f"/proc/{process.pid}/cmdline").read_text(errors="replace")
        assert not any(value in words for value in values)


def test_down_ends_everything(stack: Stack) -> None:
    stack.up()
    began = time.monotonic()
    assert stack.sensorhouse("down").returncode == 0
    assert time.monotonic() - began < 20
    assert supervisor.leftovers(stack.settings) == []
    assert stack.sensorhouse("status").returncode == 1


def test_what_a_killed_supervisor_leaves_is_ended_by_down(stack: Stack) -> None:
    stack.up()
    found = state.running(stack.settings)
    assert found
    os.kill(found.supervisor.pid, signal.SIGKILL)
    assert stack.sensorhouse("down").returncode == 0
    assert supervisor.leftovers(stack.settings) == []


def test_a_taken_port_is_named_with_its_setting_before_anything_starts(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        done = stack.sensorhouse("up", SENSORHOUSE_API_PORT=str(number))
    assert done.returncode == 2
    assert f"port {number}, meant for api" in done.stderr
    assert "SENSORHOUSE_API_PORT" in done.stderr
    assert supervisor.leftovers(stack.settings) == []


def _wait(condition: Callable[[], bool], within_s: float = 40) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.1)


def test_servers_that_already_run_are_used_and_left_running(settings: Settings, tmp_path: Path) -> None:
    given = settings.model_dump(
        include={
            *("orders_topic", "readings_topic", "postgres_url", "dagster_database", "jwt_secret"),
            *("lake_url", "s3_endpoint", "s3_access_key_id", "s3_secret_access_key"),
        }
    )
    stack = new_stack(tmp_path / "stack", kafka_brokers=settings.brokers, **given)
    try:
        stack.up()
        status = stack.sensorhouse("status")
        assert status.returncode == 0, status.stdout
        assert [line.split()[0] for line in status.stdout.splitlines() if "external" in line] == ["postgres", "kafka"]
    finally:
        stack.sensorhouse("down", "--drop-data")
    with connect(settings.database_url) as connection:
        assert connection.execute("select count(*) from products").fetchone() == (7,)
