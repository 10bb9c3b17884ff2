"""What a part of the stack is: a process, how to make it ready and how to ask whether it is."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local import places, tools
from infra.local.ports import Port
from infra.local.processes import Command, Owner
from sensorhouse.settings import Settings, inherited_environment

# What a program may need of the user's own environment; the rest stays out.
PASSED_ON = ("HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def nothing() -> None:
    """No preparation."""


@dataclass(frozen=True)
class Part:
    """One process of the stack, or a server that a setting points at: that has no command.

    `is_ready` asks the running part, answers within seconds, and is told when the part was started (seconds since
    1970); `prepare` is called before every start. `children_go_on` when what it started may outlive its crash. A part
    with `niceness` gets less of a busy processor than one without. The stack is up without those not `is_awaited`.
    """

    name: str
    command: Callable[[], Command] | None
    is_ready: Callable[[float], bool]
    address: str
    environment: Callable[[], Mapping[str, str]] = dict
    ports: tuple[Port, ...] = ()
    prepare: Callable[[], None] = nothing
    owner: Callable[[], Owner | None] = field(default=lambda: None)
    folder: Path = places.CHECKOUT
    children_go_on: bool = False
    is_awaited: bool = True
    niceness: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    ready_within_s: float = 90.0
    stop_within_s: float = 4.0


def mark(settings: Settings) -> dict[str, str]:
    """What every process of this stack has in its environment, and its children too: by it they are found again."""
    return {"SENSORHOUSE_STACK": places.stack_id(settings)}


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a part: few of the user's variables, our commands first on the path, every setting."""
    outer = inherited_environment()
    path = f"{tools.environment_bin()}:{outer.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"
    passed_on = {name: outer[name] for name in PASSED_ON if name in outer}
    return {**passed_on, "PATH": path, "PYTHONUNBUFFERED": "1", **settings.as_environment(), **mark(settings)}


def bare_environment(settings: Settings) -> dict[str, str]:
    """The environment of a server that isn't ours, and has no business with our settings and secrets."""
    outer = inherited_environment()
    return {name: outer[name] for name in (*PASSED_ON, "PATH") if name in outer} | mark(settings)
