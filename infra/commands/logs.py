"""`sensorhouse logs`: what the parts wrote."""

from __future__ import annotations

import argparse

from rich.console import Console

from infra.local import logs, places
from sensorhouse.errors import PartMissing
from sensorhouse.settings import Settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `logs`."""
    command = commands.add_parser("logs", help="what the parts wrote")
    command.add_argument("part", nargs="?", help="one part only")
    command.add_argument("-f", "--follow", action="store_true", help="go on with what they write from now on")
    command.add_argument("-n", "--lines", type=int, default=20, help="lines of each log's end (20)")
    command.set_defaults(run=show)


def show(settings: Settings, options: argparse.Namespace) -> int:
    """Print the ends of the logs, and what comes after if asked to."""
    console = Console(highlight=False, soft_wrap=True)
    files = sorted(places.logs(settings).glob("*.log"))
    if options.part:
        files = [file for file in files if file.stem == options.part]
        if not files:
            raise PartMissing(f"no log of {options.part} in {places.logs(settings)}")
    for file in files:
        for line in logs.last_lines(file, options.lines):
            _print(console, file.stem, line)
    if options.follow:
        try:
            for file, line in logs.follow(files):
                _print(console, file.stem, line)
        except KeyboardInterrupt:
            pass
    return 0


def _print(console: Console, name: str, line: str) -> None:
    console.print(f"[dim]{name:<12}[/]", end=" ")
    console.print(line, markup=False)
