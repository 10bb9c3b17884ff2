"""Our own drain, measured: a topic into both sinks, from the call to the last commit."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench import tables
from bench.measure import Meter
from bench.one_drain import Report
from bench.topics import Sent
from infra.local import places, postgres
from sensorhouse.settings import Settings, inherited_environment
from sensors_io import kafka
from tests.servers import Servers
from warehouse.database import connect

# Often enough to be exact to a percent, seldom enough to cost little.
LOOK_EVERY_S = 0.02


@dataclass(frozen=True)
class Run:
    """A topic drained once: seconds until both sinks held all of it, and what that took.

    `cpu_s` is by process, all drains together; `peak_rss_mib` is the largest drain's.
    """

    seconds: float
    cpu_s: Mapping[str, float]
    peak_rss_mib: float


@dataclass(frozen=True)
class Rates:
    """A topic's runs, and what consuming alone reaches."""

    sent: Sent
    runs: tuple[Run, ...]
    consume_only_per_s: float

    @property
    def readings_per_s(self) -> float:
        """The median run's."""
        return self.sent.readings / median(run.seconds for run in self.runs)

    @property
    def of_consume_only(self) -> float:
        """Share of the bare rate."""
        return self.readings_per_s / self.consume_only_per_s

    @property
    def peak_rss_mib(self) -> float:
        """The most that any run held."""
        return max(run.peak_rss_mib for run in self.runs)

    def cpu_s(self, process: str) -> float:
        """CPU seconds of one process in the median run."""
        return median(run.cpu_s[process] for run in self.runs)


def measure(servers: Servers, topic: str, sent: Sent, *, repeats: int, drains: int = 1) -> Rates:
    """Consume the topic, and drain it, `repeats` times each; every time into a database and a lake of its own."""
    runs, bare = [], []
    for _ in range(repeats):
        bare.append(consume_only(servers, topic))
        runs.append(drain_once(servers, topic, sent, drains=drains))
    return Rates(sent, tuple(runs), sent.readings / median(bare))


def consume_only(servers: Servers, topic: str) -> float:
    """Seconds that it takes to read the topic and do nothing with it."""
    settings = servers.settings.model_copy(update={"readings_topic": topic})
    with child("bench.consume_only", settings) as process:
        told, _ = process.communicate()
    assert process.returncode == 0, "consuming alone failed"
    return float(json.loads(told)["seconds"])


def drain_once(servers: Servers, topic: str, sent: Sent, *, drains: int = 1) -> Run:
    """Drain the topic into an empty database and an empty lake, and compare both with what was sent.

    With several `drains` its partitions are divided among as many processes.
    """
    settings = servers.new_settings(readings_topic=topic, linger_s=0.0)
    checkpoint(servers)
    client = kafka.admin(settings)
    described = kafka.describe(client, topic)
    ends = {p: held.high_watermark for p, held in kafka.log_ranges(client, described).items()}
    with ExitStack() as stack:
        connection = stack.enter_context(connect(settings.database_url, autocommit=True))
        processes = [stack.enter_context(child("bench.one_drain", settings, at, drains)) for at in range(drains)]
        for process in processes:
            wait_ready(process)
        meter = Meter.of(server_pids(servers))
        for process in processes:
            begin(process)
        while not tables.in_both(connection, described.id, ends) and any(p.poll() is None for p in processes):
            time.sleep(LOOK_EVERY_S)
        durable_at, cpu_s = time.time(), meter.read()
        reports = [finished(process) for process in processes]
    wrong = tables.differences(settings, sent)
    assert not wrong, f"{topic}: {wrong}"
    assert drains > 1 or not reports[0].differences, f"{topic}: {reports[0].differences}"
    drop_run(servers, settings)
    return Run(
        seconds=durable_at - min(report.began_at for report in reports),
        cpu_s={"drain": sum(report.cpu_s for report in reports), **cpu_s},
        peak_rss_mib=max(report.peak_rss_mib for report in reports),
    )


def child(module: str, settings: Settings, *arguments: object) -> subprocess.Popen[str]:
    """A process of ours that is told its settings by the environment."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=places.CHECKOUT,
        env=inherited_environment() | settings.as_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_ready(process: subprocess.Popen[str]) -> None:
    """Wait until a drain's process has imported what it needs."""
    assert process.stdout
    assert process.stdout.readline() == "ready\n", "the drain's process did not start"


def begin(process: subprocess.Popen[str]) -> None:
    """Let a drain's process begin."""
    assert process.stdin
    process.stdin.write("begin\n")
    process.stdin.flush()


def finished(process: subprocess.Popen[str]) -> Report:
    """Wait for a drain to end, and what it says it did."""
    told, _ = process.communicate()
    assert process.returncode == 0, "the drain failed"
    found: dict[str, Any] = json.loads(told)
    return Report(**found)


def server_pids(servers: Servers) -> dict[str, int]:
    """The three servers' processes by name."""
    named = {"broker": servers.kafka, "Postgres": servers.postgres, "S3": servers.s3}
    return {name: server.process.pid for name, server in named.items() if server.process}


def checkpoint(servers: Servers) -> None:
    """Let Postgres write what earlier runs left, so that this run doesn't pay for it."""
    with connect(postgres.maintenance_url(servers.settings), autocommit=True) as connection:
        connection.execute("checkpoint")


def drop_run(servers: Servers, settings: Settings) -> None:
    """Drop a run's database and its topic of orders; the topic of readings stays for the next run."""
    servers.drop(settings.model_copy(update={"readings_topic": f"{settings.orders_topic}.none"}))
