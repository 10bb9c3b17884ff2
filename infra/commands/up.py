"""`sensorhouse up` and `down`: the local stack, started and ended."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time

from rich.console import Console

from infra.commands.status import show
from infra.local import dagster, logs, places, processes, secrets, services, state, supervisor
from sensorhouse.settings import Settings

# The supervisor gives its parts less than 15 s.
DOWN_WITHIN_S = 25.0


def add_up(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `up`."""
    command = commands.add_parser("up", help="start the local stack and keep it running; Ctrl-C ends it")
    command.add_argument("-d", "--detach", action="store_true", help="return once everything answers")
    command.set_defaults(run=lambda settings, options: up(settings, detach=options.detach))


def add_down(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `down`."""
    command = commands.add_parser("down", help="end the local stack; its data stays")
    command.add_argument("--drop-data", action="store_true", help="and remove its data, logs and secrets")
    command.set_defaults(run=lambda settings, options: down(settings, drop_data=options.drop_data))


def up(settings: Settings, *, detach: bool = False) -> int:
    """Start the stack; when it runs already, say what runs."""
    console = Console(highlight=False, soft_wrap=True)
    if detach:
        return _up_detached(settings, console)
    with state.supervising(settings) as ours:
        if not ours:
            return _already(settings, console)
        complete = secrets.with_secrets(settings.model_copy(update={"state_dir": places.state_dir(settings)}))
        supervisor.supervise(complete, _teller(console), when_up=lambda: welcome(complete, console))
    return 0


def down(settings: Settings, *, drop_data: bool = False) -> int:
    """End the stack, and whatever a killed supervisor left of it."""
    console = Console(highlight=False, soft_wrap=True)
    found = state.running(settings)
    if found:
        processes.send([found.supervisor], signal.SIGTERM)
        if processes.wait_ended([found.supervisor], DOWN_WITHIN_S):
            processes.send([found.supervisor], signal.SIGKILL)
    supervisor.clean_up(settings, _teller(console))
    console.print("ended" if found else "nothing was running")
    if drop_data:
        places.drop_data(settings)
        console.print(f"dropped {places.state_dir(settings)}")
    return 0


def welcome(settings: Settings, console: Console) -> None:
    """Say where to look."""
    console.print("\nSensorhouse is up")
    console.print(f"  API and dashboard  {services.url(settings)}")
    console.print(f"  Dagster            {dagster.url(settings)}")
    if settings.superset:
        told = f"{settings.superset_address}, as {settings.superset_user}; password in {secrets.file(settings)}"
        console.print(f"  Superset           {told}")
    console.print()


def _teller(console: Console) -> supervisor.Tell:
    """Prints a line as it is: what looks like markup is somebody's log."""
    return lambda line: console.print(line, markup=False)


def _already(settings: Settings, console: Console) -> int:
    console.print("already running:")
    show(settings, console)
    return 0


def _up_detached(settings: Settings, console: Console) -> int:
    with state.supervising(settings) as free:
        pass
    if not free:
        return _already(settings, console)
    log = logs.file(settings, "supervisor")
    logs.rotate(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    begins = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "up"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=places.CHECKOUT,
            start_new_session=True,
        )
    shown = begins
    try:
        while True:
            ended = process.poll() is not None
            with log.open("rb") as opened:
                opened.seek(shown)
                chunk = opened.read()
            shown += len(chunk)
            console.print(chunk.decode(errors="replace"), end="", markup=False)
            if ended:
                return process.returncode
            found = state.running(settings)
            if found and found.is_up and not chunk:
                return 0
            time.sleep(0.1)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        process.wait()
        return 130
