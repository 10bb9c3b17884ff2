"""Staging in a process of its own that kills itself at a step: `python stage_and_die.py DAY STEP`."""

from __future__ import annotations

import os
import signal
import sys
from datetime import date

from assets.partition_keys import Key
from assets.staged_keys import StagingStep, stage_keys
from sensorhouse.settings import Settings
from sensors_io.lake import open_lake


def main() -> None:
    """Die at the first time that the step is reached."""
    day, last = date.fromisoformat(sys.argv[1]), StagingStep(sys.argv[2])
    settings = Settings(_env_file=None)

    def step(reached: StagingStep) -> None:
        if reached is last:
            os.kill(os.getpid(), signal.SIGKILL)

    list(stage_keys(settings, open_lake(settings), [Key("temperature", day)], step=step))


main()
