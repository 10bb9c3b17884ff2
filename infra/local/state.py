"""What is known of the running stack, in a file that `status` and `down` read."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from infra.local import places, processes
from infra.local.processes import Identity
from sensorhouse.settings import Settings


@dataclass(frozen=True)
class PartState:
    """One part: waiting, starting, ready, restarting, stopping, stopped or external; `since` in s since 1970."""

    address: str
    state: str = "waiting"
    process: Identity | None = None
    since: float | None = None
    restarts: int = 0
    detail: str = ""


@dataclass(frozen=True)
class StackState:
    """The supervisor and its parts, by name."""

    supervisor: Identity
    is_up: bool = False
    parts: dict[str, PartState] = field(default_factory=dict)

    def with_part(self, name: str, **changes: object) -> StackState:
        """The same with one part changed."""
        return replace(self, parts={**self.parts, name: replace(self.parts[name], **changes)})  # type: ignore[arg-type]


def write(settings: Settings, state: StackState) -> None:
    """Replace the file, whole or not at all."""
    file = _file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".new")
    unfinished.write_text(json.dumps(asdict(state), indent=1))
    unfinished.rename(file)


def read(settings: Settings) -> StackState | None:
    """What the last supervisor wrote, be it alive or not; None when there was none."""
    try:
        raw = json.loads(_file(settings).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    parts = {name: PartState(**(part | {"process": _identity(part["process"])})) for name, part in raw["parts"].items()}
    return StackState(Identity(**raw["supervisor"]), raw["is_up"], parts)


def forget(settings: Settings) -> None:
    """Drop the file: nothing runs."""
    _file(settings).unlink(missing_ok=True)


@contextmanager
def supervising(settings: Settings) -> Iterator[bool]:
    """Be this stack's only supervisor; yields False when another is. The kernel ends the claim with the process."""
    places.state_dir(settings).mkdir(parents=True, exist_ok=True)
    with (places.state_dir(settings) / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def running(settings: Settings) -> StackState | None:
    """The state, if its supervisor is alive."""
    found = read(settings)
    return found if found and processes.is_alive(found.supervisor) else None


def _identity(raw: dict[str, int] | None) -> Identity | None:
    return Identity(**raw) if raw else None


def _file(settings: Settings) -> Path:
    return places.state_dir(settings) / "stack.json"
