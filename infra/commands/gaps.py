"""`sensorhouse gaps`: what Kafka lost before it was read, and accepting that it is gone."""

from __future__ import annotations

import argparse
import getpass

from rich.console import Console

from infra.commands import topics
from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings
from sensors_io.gaps import accept_gap
from sensors_io.lake import open_lake


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `gaps list` and `gaps accept`."""
    command = commands.add_parser("gaps", help="what Kafka lost before it was read")
    kinds = command.add_subparsers(required=True, metavar="list|accept")
    listed = kinds.add_parser("list", help="partitions that wait for a person, and what was accepted before")
    listed.set_defaults(run=lambda settings, _: show(settings, Console(highlight=False, soft_wrap=True)))
    accepted = kinds.add_parser("accept", help="go on where the log begins now; what is lost is recorded and shown")
    accepted.add_argument("topic")
    accepted.add_argument("partition", type=int)
    accepted.add_argument("--yes", action="store_true", help="don't ask")
    accepted.set_defaults(
        run=lambda settings, options: accept(settings, options, Console(highlight=False, soft_wrap=True))
    )


def show(settings: Settings, console: Console) -> int:
    """Print every gap; 1 while a partition waits for a person."""
    found = topics.states(settings)
    lines: list[str] = []
    for topic, state in found.items():
        lines += [f"{topic}: {state}"] if isinstance(state, DependencyDown) else topics.gaps(topic, state)
    for line in lines or ["nothing was lost"]:
        console.print(line, markup=False)
    unknown = any(isinstance(state, DependencyDown) for state in found.values())
    return 1 if unknown or topics.has_stopped(found.values()) else 0


def accept(settings: Settings, options: argparse.Namespace, console: Console) -> int:
    """Accept one partition's gap; 1 when the answer is no."""
    feed = topics.feed_of(settings, options.topic)
    if not options.yes and not _agreed(console, f"{feed.topic}[{options.partition}]"):
        console.print("nothing was changed")
        return 1
    moved = accept_gap(settings, feed, open_lake(settings), options.partition, accepted_by=getpass.getuser())
    for table, over in moved.items():
        without = f"without offsets {over.start:,} to {over.end:,}"
        console.print(f"{feed.topic}[{options.partition}]: {table} goes on {without}", markup=False)
    if not moved:
        console.print("nothing is lost there")
    return 0


def _agreed(console: Console, where: str) -> bool:
    console.print(f"What Kafka no longer holds of {where} will never be read.", markup=False)
    try:
        return console.input("Type yes to go on without it: ").strip() == "yes"
    except EOFError:
        return False
