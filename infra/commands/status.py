"""`sensorhouse status`: what runs, asked of each part itself, then what there is to tell of each topic."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from infra.commands import topics
from infra.local import processes, stack, state
from infra.local.part import Part
from infra.local.state import PartState
from sensorhouse.errors import SensorhouseError
from sensorhouse.settings import Settings

COLOURS = {"ready": "green", "external": "green", "starting": "yellow", "restarting": "yellow"}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `status`."""
    command = commands.add_parser(
        "status", help="what runs, and how far topics are read; exit status 1 unless all is well"
    )
    command.set_defaults(run=lambda settings, _: show(settings, Console(highlight=False)))


def show(settings: Settings, console: Console) -> int:
    """Print the tables; 0 when every part answers and no partition waits for a person, else 1."""
    found = state.running(settings)
    parts = stack.parts(settings)
    known = found.parts if found else {}
    with ThreadPoolExecutor(len(parts)) as pool:
        states = list(pool.map(lambda part: asked(part, known.get(part.name)), parts))
    console.print(table(parts, states))
    well = {part.name for part, one in zip(parts, states, strict=True) if one.state in ("ready", "external")}
    # Without these two there is nothing to tell, and asking takes long.
    goes_on = show_topics(settings, console) if {"kafka", "postgres"} <= well else True
    return 0 if len(well) == len(parts) and goes_on else 1


def show_topics(settings: Settings, console: Console) -> bool:
    """Print each topic's lag and what is out of the ordinary; whether all goes on by itself."""
    found = topics.states(settings)
    console.print()
    console.print(topics.table(found))
    for line in topics.remarks(found):
        console.print(line, markup=False, soft_wrap=True)
    return not topics.has_stopped(found.values())


def asked(part: Part, known: PartState | None) -> PartState:
    """The part's state now: what the supervisor noted, put right by the process list and the part's own answer."""
    one = known or PartState(part.address, state="stopped")
    if part.command and not (one.process and processes.is_alive(one.process)):
        return one if one.state in ("restarting", "waiting") else PartState(part.address, state="stopped")
    answers = _answers(part, one.since or 0.0)
    if part.command is None:
        return PartState(part.address, state="external" if answers else "not answering")
    if one.state == "ready" and not answers:
        return PartState(part.address, "not answering", one.process, one.since, one.restarts, one.detail)
    return one


def table(parts: list[Part], states: list[PartState]) -> Table:
    """One line per part."""
    drawn = Table("part", "state", "pid", "up for", "restarts", "address", box=None, pad_edge=False)
    for part, one in zip(parts, states, strict=True):
        colour = COLOURS.get(one.state, "red")
        pid = str(one.process.pid) if one.process else ""
        uptime = duration(time.time() - one.since) if one.process and one.since else ""
        drawn.add_row(part.name, f"[{colour}]{one.state}[/]", pid, uptime, str(one.restarts or ""), part.address)
    return drawn


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min, 5 h 10 min, 3 d 4 h."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"


def _answers(part: Part, since: float) -> bool:
    try:
        return part.is_ready(since)
    except SensorhouseError:
        return False
