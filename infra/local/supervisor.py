"""Keeps the local stack running: starts it stage by stage, starts again what dies, ends it in order."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from infra.local import logs, places, ports, processes, running, stack, state
from infra.local.part import Part
from infra.local.processes import Identity
from infra.local.state import PartState, StackState
from sensorhouse.errors import PartDied
from sensorhouse.settings import Settings

Tell = Callable[[str], None]

LOOK_EVERY_S = 0.25
# A part that lived this long is not in a loop of crashes: the next crash waits as little as a first one.
STEADY_AFTER_S = 60.0
LONGEST_BACK_OFF_S = 30.0
# With what the parts may take (`stop_within_s`) it adds up to less than 15 s.
RUNS_END_WITHIN_S = 4.0


class Ended(BaseException):
    """Somebody asked the supervisor to end."""


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen[bytes]
    since: float
    failures: int = 0
    start_again_at: float | None = None
    was_ready: bool = False


@dataclass
class Supervisor:
    """The parts it started, and what it has written down about them."""

    settings: Settings
    tell: Tell
    state: StackState
    parts: dict[str, _Running] = field(default_factory=dict)

    def start(self) -> None:
        """Start every stage; raises `PartDied` when a part does not come up."""
        for stage in stack.stages(self.settings):
            if stage.what:
                self.tell(f"preparing {stage.what}")
            stage.prepare()
            for part in stage.parts:
                if part.command:
                    self._launch(part)
            self._wait_ready(part for part in stage.parts if part.is_awaited)
        self._note(is_up=True)

    def watch(self) -> None:
        """Start again whatever dies, until somebody asks us to end."""
        while True:
            time.sleep(LOOK_EVERY_S)
            for one in list(self.parts.values()):
                self._look_after(one)

    def stop(self) -> None:
        """End every part in order, by force where it takes too long."""
        self._note(is_up=False)
        for names in stack.STOP_ORDER:
            if "code-server" in names:
                self._stop_runs()
            self._stop([self.parts[name] for name in names if name in self.parts])
        left = leftovers(self.settings)
        processes.send(left, signal.SIGKILL)
        processes.wait_ended(left, within_s=2)

    def _launch(self, part: Part) -> None:
        log = logs.file(self.settings, part.name)
        logs.rotate(log)
        self._note_part(part, state="starting", detail="")
        since = time.time()
        process = running.launch(part, log)
        before = self.parts.get(part.name)
        self.parts[part.name] = _Running(part, process, since, before.failures if before else 0)
        self._note_part(part, process=processes.identity(process.pid), since=since)

    def _wait_ready(self, parts: Iterable[Part]) -> None:
        waiting, began = list(parts), time.monotonic()
        while waiting:
            for part in list(waiting):
                if self._came_up(part, time.monotonic() - began):
                    waiting.remove(part)
            time.sleep(LOOK_EVERY_S / 2)

    def _came_up(self, part: Part, waited_s: float) -> bool:
        """Whether the part answers by now; raises `PartDied` when it won't any more."""
        one = self.parts.get(part.name)
        log = logs.file(self.settings, part.name)
        if one and one.process.poll() is not None:
            raise PartDied(f"{part.name} ended with status {one.process.returncode}; {running.told(log)}")
        if part.is_ready(one.since if one else 0.0):
            self._note_part(part, state="ready" if one else "external")
            took = f" after {time.time() - one.since:.1f} s" if one else ""
            self.tell(f"{part.name} answers at {part.address}{took}")
            if one:
                one.was_ready = True
            return True
        if waited_s > part.ready_within_s:
            if one is None:
                raise PartDied(f"{part.name} at {part.address}, which a setting names, does not answer")
            raise PartDied(f"{part.name} runs but did not answer within {waited_s:.0f} s; {running.told(log)}")
        return False

    def _look_after(self, one: _Running) -> None:
        now = time.time()
        if one.start_again_at is not None:
            if now >= one.start_again_at:
                self._start_again(one)
        elif one.process.poll() is not None:
            one.failures = 1 if now - one.since > STEADY_AFTER_S else one.failures + 1
            wait_s = min(2.0 ** (one.failures - 1), LONGEST_BACK_OFF_S)
            one.start_again_at = now + wait_s
            why = f"ended with status {one.process.returncode}"
            self.tell(f"{one.part.name} {why}; starting it again in {wait_s:.0f} s")
            self._note_part(one.part, state="restarting", process=None, detail=why)
        elif not one.was_ready and one.part.is_ready(one.since):
            one.was_ready = True
            is_first = self.state.parts[one.part.name].restarts == 0
            where = f"answers at {one.part.address} after {now - one.since:.1f} s" if is_first else "is back"
            self.tell(f"{one.part.name} {where}")
            self._note_part(one.part, state="ready")

    def _start_again(self, one: _Running) -> None:
        if not one.part.children_go_on:
            processes.send(processes.session(one.process.pid), signal.SIGKILL)
        try:
            self._launch(one.part)
        except (PartDied, OSError) as error:
            one.failures += 1
            one.start_again_at = time.time() + LONGEST_BACK_OFF_S
            self._note_part(one.part, state="restarting", detail=str(error))
            self.tell(f"{one.part.name} could not be started: {error}")
            return
        self._note_part(one.part, restarts=self.state.parts[one.part.name].restarts + 1)

    def _stop_runs(self) -> None:
        """Ask Dagster's runs to end: a drain then finishes its slice. Also those whose code server died before."""
        servers = {one.process.pid for name, one in self.parts.items()}
        runs = [found for found in leftovers(self.settings) if found.pid not in servers and _is_run(found)]
        if runs:
            self.tell(f"waiting for {len(runs)} run(s) to end")
            processes.send(runs, signal.SIGTERM)
            processes.wait_ended(runs, RUNS_END_WITHIN_S)

    def _stop(self, group: list[_Running]) -> None:
        for one in group:
            self._note_part(one.part, state="stopping")
            if one.process.poll() is None:
                one.process.send_signal(one.part.stop_signal)
        deadline = time.monotonic()
        for one in group:
            try:
                one.process.wait(max(0.0, deadline + one.part.stop_within_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.tell(f"{one.part.name} did not end within {one.part.stop_within_s:.0f} s: killed")
                one.process.kill()
                one.process.wait()
            self._note_part(one.part, state="stopped", process=None)

    def _note(self, *, is_up: bool) -> None:
        self.state = StackState(self.state.supervisor, is_up, self.state.parts)
        state.write(self.settings, self.state)

    def _note_part(self, part: Part, **changes: object) -> None:
        self.state = self.state.with_part(part.name, **changes)
        state.write(self.settings, self.state)


def supervise(settings: Settings, tell: Tell, when_up: Callable[[], None]) -> None:
    """Run the stack until SIGTERM, SIGINT or SIGHUP; the caller holds `state.supervising`.

    Raises `PortTaken` before anything is started, `PartDied` after everything has been ended again.
    """
    clean_up(settings, tell)
    all_parts = stack.parts(settings)
    ports.require_all_free([(part.name, port) for part in all_parts if part.command for port in part.ports])
    if missing := stack.to_fetch(settings):
        tell(f"fetching {' and '.join(missing)}, once for every checkout")
    waiting = {one.name: PartState(one.address) for one in all_parts}
    supervisor = Supervisor(settings, tell, StackState(processes.ourselves(), parts=waiting))
    with _ending_on_signals():
        try:
            supervisor.start()
            when_up()
            supervisor.watch()
        except Ended:
            tell("ending")
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            supervisor.stop()
            state.forget(settings)


def clean_up(settings: Settings, tell: Tell) -> None:
    """End what a killed supervisor left: its parts, known by pid and start time, and what carries this stack's mark."""
    left = leftovers(settings)
    if left:
        tell(f"ending {len(left)} process(es) that a killed supervisor left behind")
        # Postgres takes SIGINT for "now", others for the same as SIGTERM.
        processes.send(left, signal.SIGINT)
        processes.wait_ended(left, within_s=3)
        processes.send(left, signal.SIGTERM)
        left = processes.wait_ended(left, within_s=3)
        processes.send(left, signal.SIGKILL)
        processes.wait_ended(left, within_s=2)
    state.forget(settings)


def leftovers(settings: Settings) -> list[Identity]:
    """Living processes of this stack, the supervisor itself not among them."""
    known = state.read(settings)
    recorded = [part.process for part in known.parts.values() if part.process] if known else []
    marked = processes.with_environment("SENSORHOUSE_STACK", places.stack_id(settings))
    ours = {found for found in (*recorded, *marked) if processes.is_alive(found)}
    return sorted(ours - {processes.ourselves()}, key=lambda found: found.pid)


def _is_run(process: Identity) -> bool:
    """Whether it is a run of Dagster's: a process that its code server, alive or not, started by itself."""
    command = Path(f"/proc/{process.pid}/cmdline")
    try:
        words = command.read_text(errors="replace")
    except OSError:
        return False
    return "multiprocessing.spawn" in words or "execute_run" in words


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        raise Ended

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
