"""One drain of the readings topic in a process of its own, begun by a line on its input; prints what it did as JSON."""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from assets.watching import watch_readings
from bench.measure import peak_rss_mib
from sensorhouse.settings import Settings
from sensors_io.drain import Share, drain
from sensors_io.feeds import readings_feed
from sensors_io.lake import open_lake
from warehouse import staged
from warehouse.database import connect

_stopped = False


@dataclass(frozen=True)
class Report:
    """What a drain did; `began_at` is the clock when it was called, its imports done."""

    began_at: float
    ended_at: float
    cpu_s: float
    peak_rss_mib: float
    slices: int
    lake_commits: int
    dead_letters: int
    differences: dict[str, int]


def main() -> None:
    """Drain a share of the partitions, `argv[1]` of `argv[2]`, until caught up or until SIGTERM."""
    signal.signal(signal.SIGTERM, _stop)
    settings = Settings(_env_file=None)
    lake = open_lake(settings)
    with connect(settings.database_url) as connection:
        feed = readings_feed(settings, sensor_types=staged.sensor_types(connection), watcher=watch_readings)
    print("ready", flush=True)
    sys.stdin.readline()
    began_at, cpu_s = time.time(), time.process_time()
    share = Share(int(sys.argv[1]), int(sys.argv[2]))
    done = drain(settings, feed, lake, run_id="bench", share=share, stopped=lambda: _stopped)
    assert done.balance is not None, done.refused
    report = Report(
        began_at=began_at,
        ended_at=time.time(),
        cpu_s=time.process_time() - cpu_s,
        peak_rss_mib=peak_rss_mib(),
        slices=done.work.slices,
        lake_commits=done.work.lake_commits,
        dead_letters=done.work.dead_letters,
        differences=dict(done.balance.differences),
    )
    json.dump(asdict(report), sys.stdout)


def _stop(*_: Any) -> None:
    global _stopped
    _stopped = True


if __name__ == "__main__":
    main()
