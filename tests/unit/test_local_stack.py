"""The local stack's parts that need no server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra import cli
from infra.commands.status import duration
from infra.local import dagster, kafka, logs, places, ports, processes, secrets, stack, state, tools
from infra.local.ports import Port
from infra.local.processes import Identity
from infra.local.state import PartState, StackState
from sensorhouse.errors import PartMissing, PortTaken
from sensorhouse.settings import Settings


@pytest.fixture
def local(tmp_path: Path) -> Settings:
    password = SecretStr("a password")
    return Settings(_env_file=None, state_dir=tmp_path, postgres_password=password, superset_secret_key=password)


def test_every_part_ends_in_some_group_of_the_stop_order(local: Settings) -> None:
    with_all = local.model_copy(update={"dagster_viewers_port": 3001})
    assert {part.name for part in stack.parts(with_all)} == {name for group in stack.STOP_ORDER for name in group}


def test_a_server_that_a_setting_names_is_not_started(tmp_path: Path) -> None:
    given = Settings(
        _env_file=None, state_dir=tmp_path, kafka_brokers="b:9092", postgres_url=SecretStr("postgresql://u:p@h/d")
    )
    outside = {part.name: part.address for part in stack.parts(given) if part.command is None}
    assert outside == {"kafka": "b:9092", "postgres": "h:5432"}


def test_no_part_has_a_secret_on_its_command_line(local: Settings) -> None:
    for part in (*dagster.code_servers(local), *dagster.webservers(local), dagster.daemon(local)):
        assert part.command
        assert "a password" not in " ".join(str(word) for word in part.command())
        assert part.environment()[dagster.STORAGE_URL] == local.dagster_url


def test_dagsters_configuration_holds_no_secret(local: Settings) -> None:
    assert "a password" not in str(dagster.instance(local))


def test_servers_that_are_not_ours_get_none_of_our_settings(local: Settings) -> None:
    ours = {name for name in kafka.part(local).environment() if name.startswith("SENSORHOUSE_")}
    assert ours == {"SENSORHOUSE_STACK"}


def test_secrets_are_made_once(tmp_path: Path) -> None:
    first = secrets.with_secrets(Settings(_env_file=None, state_dir=tmp_path))
    again = secrets.with_secrets(Settings(_env_file=secrets.file(first), state_dir=tmp_path))
    assert again.signing_key == first.signing_key
    assert again.database_url == first.database_url
    assert len(secrets.file(first).read_text().splitlines()) == 5


def test_a_port_wanted_twice_counts_as_taken() -> None:
    number = ports.free(1)[0]
    with pytest.raises(PortTaken, match="SENSORHOUSE_SECOND"):
        ports.require_all_free([("one", Port(number, "FIRST")), ("two", Port(number, "SECOND"))])


def test_a_port_on_which_somebody_listens_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not ports.is_free(Port(taken.getsockname()[1], "ANY"))


def test_a_process_is_told_from_a_later_one_with_its_pid() -> None:
    us = processes.ourselves()
    assert processes.is_alive(us)
    assert not processes.is_alive(Identity(us.pid, us.start_time - 1))


def test_a_process_that_has_ended_is_not_alive_before_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.identity(child.pid) is None
    child.wait()


def test_a_child_is_found_by_its_mark_and_ends_when_told(tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "A_MARK": tmp_path.name}
    child = processes.start(["sleep", 30], log=tmp_path / "log", environment=environment, folder=tmp_path)
    found = processes.with_environment("A_MARK", tmp_path.name)
    assert [one.pid for one in found] == [child.pid]
    processes.send(found, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


def test_files_fetched_are_those_of_the_list_and_no_others(tmp_path: Path) -> None:
    checksums = tmp_path / "SHA256SUMS"
    checksums.write_text("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.jar\n")
    folder = tmp_path / "jars"
    folder.mkdir()
    (folder / "a.jar").write_text("abc")
    tools.verify(folder, checksums)
    (folder / "b.jar").write_text("")
    with pytest.raises(PartMissing, match=r"b\.jar"):
        tools.verify(folder, checksums)


def test_a_folder_whose_making_fails_is_not_there(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise PartMissing("no network")

    with pytest.raises(PartMissing):
        places.made_once(tmp_path / "tool", fail)
    assert not (tmp_path / "tool").exists()
    assert places.made_once(tmp_path / "tool", lambda folder: (folder / "whole").touch()).joinpath("whole").exists()


def test_what_is_known_of_a_stack_survives_being_written_down(local: Settings) -> None:
    part = PartState("127.0.0.1:1", "ready", processes.ourselves(), since=1.0, restarts=2)
    written = StackState(processes.ourselves(), is_up=True, parts={"api": part})
    state.write(local, written)
    assert state.running(local) == written


def test_a_stack_whose_supervisor_is_gone_is_not_running(local: Settings) -> None:
    us = processes.ourselves()
    state.write(local, StackState(Identity(us.pid, us.start_time - 1)))
    assert state.running(local) is None


def test_a_long_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LARGEST_BYTES", 4)
    log = tmp_path / "api.log"
    for text in ("first", "second", "third"):
        log.write_text(text)
        logs.rotate(log)
    assert not log.exists()
    assert (tmp_path / "api.log.1").read_text() == "third"
    assert (tmp_path / "api.log.2").read_text() == "second"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_end_of_a_log_is_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("".join(f"line {number}\n" for number in range(5000)))
    assert logs.last_lines(log, 2) == ["line 4998", "line 4999"]
    assert logs.last_lines(tmp_path / "none.log", 2) == []


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (3660, "1 h 1 min"), (90_000, "1 d 1 h")]
)
def test_a_duration_is_told_as_people_say_it(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_what_must_be_put_right_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SENSORHOUSE_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(places.CHECKOUT)
    assert cli.main(["logs", "nobody"]) == 2
    assert capsys.readouterr().err.startswith("sensorhouse: no log of nobody")


def test_a_part_that_stands_behind_others_says_so_to_the_kernel(tmp_path: Path) -> None:
    log = tmp_path / "log"
    ask = "import os; print(os.nice(0), *(open(path).read() for path in [os.environ['GROUP']] if os.path.exists(path)))"
    process = processes.start(
        [sys.executable, "-c", ask], log=log, environment={"GROUP": "/proc/self/autogroup"}, folder=tmp_path, niceness=5
    )
    assert process.wait(20) == 0
    niceness, _, group = log.read_text().partition(" ")
    assert niceness == "5"
    # A kernel without such groups has nothing to say.
    assert not group.strip() or group.strip().endswith("nice 5")
