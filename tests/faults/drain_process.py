"""One drain in a process of its own, which may kill or stop itself at a step.

Started with FEED RUN_ID SHARE [STEP ACTION NTH]. Prints a line for each step that it reaches, and one that says how
it ended.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from sensorhouse.errors import DependencyDown, DrainStopped
from sensorhouse.settings import Settings
from sensors_io.drain import Share, drain
from sensors_io.lake import open_lake
from tests.readings import feeds
from warehouse.steps import Step

# The exit statuses of a drain whose server went away, and of one that lost its place.
DOWN, STOPPED = 3, 4
ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def main() -> int:
    """Drain once, as a run does."""
    feed, run_id, share, at, action, nth = (*sys.argv[1:], "", "", "1")[:6]
    settings = Settings(_env_file=None)
    parent = os.getppid()
    asked = False
    reached = 0

    def ask_to_end(_: int, __: object) -> None:
        nonlocal asked
        asked = True

    def step(name: Step) -> None:
        nonlocal reached
        tell(f"step {name}")
        if name == at:
            reached += 1
            if reached == int(nth):
                tell(f"{action} at {name}")
                os.kill(os.getpid(), ACTIONS[action])

    signal.signal(signal.SIGTERM, ask_to_end)
    try:
        drained = drain(
            settings,
            feeds(settings)[feed],
            open_lake(settings),
            run_id=run_id,
            share=Share(*map(int, share.split("/"))),
            stopped=lambda: asked or os.getppid() != parent,
            step=step,
        )
    except DependencyDown as error:
        return ended(f"down: {error}", DOWN)
    except DrainStopped as error:
        return ended(f"{type(error).__name__}: {error}", STOPPED)
    return ended("refused" if drained.refused else f"caught up after {drained.work.messages} messages", 0)


def ended(how: str, status: int) -> int:
    tell(f"ended {how}")
    return status


def tell(text: str) -> None:
    """One line in one write, so that a kill leaves no half."""
    os.write(1, f"{time.time():.3f} {text}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
