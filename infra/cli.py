"""The `sensorhouse` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from infra.commands import demo, doctor, logs, status, up
from infra.local import places
from sensorhouse.errors import Misconfigured, SensorhouseError
from sensorhouse.settings import Settings

# Each declares a subcommand and its function (settings, options) -> exit status. A new command is a line here.
COMMANDS = (up.add_up, up.add_down, status.add, logs.add, doctor.add, demo.add)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand: 0 done, 1 done but something is wrong, 2 told what to put right."""
    options = parser().parse_args(arguments)
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


def parser() -> argparse.ArgumentParser:
    """Every subcommand with its options."""
    top = argparse.ArgumentParser(prog="sensorhouse", description="Sensorhouse, on this machine.")
    commands = top.add_subparsers(required=True, metavar="command")
    for add in COMMANDS:
        add(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
