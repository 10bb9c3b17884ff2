"""`sensorhouse dashboards`: the dashboards' files against Superset: what differs, apply, export."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.table import Table

from assets import applied_dashboards, dashboard_files
from assets.dashboard_files import Difference
from assets.superset import sign_in
from sensorhouse.settings import Settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `dashboards plan`, `apply` and `export`."""
    command = commands.add_parser("dashboards", help="Superset's dashboards, kept as files")
    kinds = command.add_subparsers(required=True, metavar="plan|apply|export")
    planned = kinds.add_parser("plan", help="what differs between the files and Superset; exit status 1 if anything")
    planned.set_defaults(run=lambda settings, _: plan(settings, _console()))
    applied = kinds.add_parser("apply", help="let Superset have what the files say; what only it has stays")
    applied.set_defaults(run=lambda settings, _: apply(settings, _console()))
    exported = kinds.add_parser("export", help="write what Superset has into the files")
    exported.set_defaults(run=lambda settings, _: export(settings, _console()))


def plan(settings: Settings, console: Console) -> int:
    """Print a line for each object that differs; 0 when applying would change nothing."""
    objects = dashboard_files.read()
    with sign_in(settings) as superset:
        found = applied_dashboards.plan(superset, settings, objects)
    _tell(found, console)
    differ = [one for one in found if one.path in objects]
    console.print(f"{len(differ)} of {len(objects)} files differ" if differ else "nothing to apply")
    return 1 if differ else 0


def apply(settings: Settings, console: Console) -> int:
    """Apply, and print what that changed."""
    objects = dashboard_files.read()
    with sign_in(settings) as superset:
        changed = applied_dashboards.apply(superset, settings, objects)
    _tell(changed, console)
    console.print(f"{len(changed)} of {len(objects)} files changed something")
    return 0


def export(settings: Settings, console: Console) -> int:
    """Write the files, and name those that are other than before."""
    with sign_in(settings) as superset:
        changed = applied_dashboards.export(superset, settings, dashboard_files.read())
    for path in changed:
        console.print(f"{dashboard_files.FOLDER / path}", markup=False)
    console.print(f"{len(changed)} files changed")
    return 0


def _tell(found: list[Difference], console: Console) -> None:
    if not found:
        return
    drawn = Table("file", "name", "", box=None, pad_edge=False)
    for one in found:
        drawn.add_row(one.path, one.name, one.what)
    console.print(drawn)


def _console() -> Console:
    # Into a file or another program, lines come whole.
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 240)
