"""A drain in a process of its own that stops itself, as SIGSTOP does, once its first slice is in the warehouse."""

from __future__ import annotations

import json
import os
import signal

from sensorhouse.errors import SensorhouseError
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.readings import readings_of


def main() -> None:
    """Drain the readings; print what became of it as JSON."""
    settings = Settings(_env_file=None)
    paused = False

    def step(name: str) -> None:
        nonlocal paused
        if name.startswith("warehouse") and not paused:
            paused = True
            os.kill(os.getpid(), signal.SIGSTOP)

    try:
        drained = drain(settings, readings_of(settings), open_lake(settings), run_id="paused", step=step)
        told = {"rows": drained.work.rows, "truncated": [str(one) for one in drained.truncated]}
    except SensorhouseError as error:
        told = {"error": type(error).__name__, "told": str(error)}
    print(json.dumps(told))


main()
