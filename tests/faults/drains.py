"""Drain processes: started again whenever they end or die, as Dagster's sensor does with its runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from sensorhouse.settings import Settings
from tests.faults import drain_process

ROOT = Path(__file__).parents[2]
# How a drain may end while its world falls apart: well, its server gone, its place lost, killed by the test; or told to
# end before it could hear.
EXPECTED = {0, drain_process.DOWN, drain_process.STOPPED, -signal.SIGKILL, -signal.SIGTERM}


STARTED: list[Drain] = []
"""Every drain of the test, so that none outlives it."""


class Drain:
    """One drain process and what it told."""

    def __init__(
        self,
        settings: Settings,
        log: Path,
        *,
        share: str = "0/1",
        at: str | None = None,
        action: str = "kill",
        nth: int = 1,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.log = log
        told = [at, action, str(nth)] if at else []
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.drain_process", "readings", log.stem, share, *told],
                env={**os.environ, **settings.as_environment(), "PYTHONPATH": str(ROOT), **(environment or {})},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        STARTED.append(self)

    @property
    def lines(self) -> list[str]:
        """What it told, without the times."""
        told = self.log.read_text(errors="replace").split("\n")[:-1]
        return [line.partition(" ")[2] if line[:1].isdigit() else line for line in told]

    @property
    def steps(self) -> list[str]:
        """The steps it reached."""
        return [line.removeprefix("step ") for line in self.lines if line.startswith("step ")]

    @property
    def clock(self) -> float:
        """What its clock said last, in seconds since 1970; 0 before it told anything."""
        times = [line.partition(" ")[0] for line in self.log.read_text(errors="replace").split("\n")[:-1]]
        return next((float(time) for time in reversed(times) if time.replace(".", "", 1).isdigit()), 0.0)

    @property
    def outcome(self) -> str:
        """How it said it ended; empty when it could not say."""
        return next((line.removeprefix("ended ") for line in self.lines if line.startswith("ended ")), "")

    def is_stopped(self) -> bool:
        """Whether it lies still, by a signal."""
        return _state(self.process.pid) == "T"

    def wait(self, within_s: float = 60) -> int:
        """Its exit status once it has ended."""
        return self.process.wait(within_s)

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Let it lie still."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on after `pause`, or after it stopped itself."""
        self.process.send_signal(signal.SIGCONT)


class Drains:
    """Keeps a number of drain processes at work until it is left; they share the topic's partitions."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        count: int = 1,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._settings, self._folder = settings, folder
        self._environment = environment
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="drains", daemon=True)
        self._places: list[Drain | None] = [None] * count
        self.all: list[Drain] = []

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._keeper.join()
        left = [one for one in self.all if one.process.poll() is None]
        for one in left:
            one.process.send_signal(signal.SIGTERM)
            one.wake()
        for one in left:
            try:
                one.wait(30)
            except subprocess.TimeoutExpired:
                one.kill()

    @property
    def living(self) -> list[Drain]:
        """Those at work."""
        return [one for one in self._places if one is not None and one.process.poll() is None]

    @property
    def steps(self) -> list[str]:
        """The steps that all of them reached, in the order of their starts."""
        return [step for one in list(self.all) for step in one.steps]

    @property
    def clock(self) -> float:
        """What the youngest's clock said last."""
        return self.all[-1].clock if self.all else 0.0

    @property
    def surprises(self) -> list[str]:
        """What those told that ended as none should."""
        return [
            f"{one.log.name} ended with {one.process.returncode}:\n" + "\n".join(one.lines[-25:])
            for one in self.all
            if one.process.poll() is not None and one.process.returncode not in EXPECTED
        ]

    def kill(self) -> int:
        """Kill those at work; returns how many there were."""
        killed = self.living
        for one in killed:
            one.process.kill()
        return len(killed)

    def replace(self, some: Sequence[Drain]) -> None:
        """Let others start in these drains' places, which are left to themselves."""
        self._places = [None if one in some else one for one in self._places]

    def _keep(self) -> None:
        while not self._ending.wait(0.05):
            for index, one in enumerate(self._places):
                if one is None or one.process.poll() is not None:
                    log = self._folder / f"drain-{len(self.all)}.log"
                    share = f"{index}/{len(self._places)}"
                    started = Drain(self._settings, log, share=share, environment=self._environment)
                    self.all.append(started)
                    self._places[index] = started


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"
