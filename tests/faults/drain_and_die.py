"""A drain in a process of its own that kills itself at the n-th of its steps: `python drain_and_die.py FEED N`."""

from __future__ import annotations

import os
import signal
import sys

from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.readings import feeds


def main() -> None:
    """Print each step that is reached; the n-th is the last."""
    feed, last = sys.argv[1], int(sys.argv[2])
    settings = Settings(_env_file=None)
    reached = 0

    def step(name: str) -> None:
        nonlocal reached
        reached += 1
        print(name, flush=True)
        if reached == last:
            os.kill(os.getpid(), signal.SIGKILL)

    drain(settings, feeds(settings)[feed], open_lake(settings), run_id="victim", step=step)


main()
