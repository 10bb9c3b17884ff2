"""The `sensorhouse` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from infra.local import places
from sensorhouse.errors import Misconfigured, SensorhouseError
from sensorhouse.settings import Settings

# Where each is declared, with its function (settings, options) -> exit status. A new command is a line here.
COMMANDS = {
    "demo": "infra.commands.demo:add",
    "up": "infra.commands.up:add_up",
    "down": "infra.commands.up:add_down",
    "status": "infra.commands.status:add",
    "balance": "infra.commands.balance:add",
    "trace": "infra.commands.trace:add",
    "logs": "infra.commands.logs:add",
    "gaps": "infra.commands.gaps:add",
    "dead-letters": "infra.commands.dead_letters:add",
    "policy": "infra.commands.policy:add",
    "dashboards": "infra.commands.dashboards:add",
    "doctor": "infra.commands.doctor:add",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand: 0 done, 1 done but something is wrong, 2 told what to put right."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parser(words[0] if words else None).parse_args(words)
    # `.env` and the state folder are the checkout's, wherever the command is called from.
    os.chdir(places.CHECKOUT)
    try:
        return int(options.run(Settings.load(), options) or 0)
    except Misconfigured as error:
        print(f"sensorhouse: {error}", file=sys.stderr)
        return 2
    except SensorhouseError as error:
        print(f"sensorhouse: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser(wanted: str | None) -> argparse.ArgumentParser:
    """The wanted subcommand with its options, or all: what isn't wanted is not imported, which takes seconds."""
    top = argparse.ArgumentParser(prog="sensorhouse", description="Sensorhouse, on this machine.")
    commands = top.add_subparsers(required=True, metavar="command")
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        module, function = COMMANDS[name].split(":")
        getattr(import_module(module), function)(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
