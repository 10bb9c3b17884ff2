"""Our own drain, measured: a topic into both sinks, from the call to the last commit."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
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
    """One drain of a topic: seconds until both sinks held all of it, and what that took."""

    seconds: float
    cpu_s: Mapping[str, float]
    report: Report


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
        return max(run.report.peak_rss_mib for run in self.runs)

    def cpu_s(self, process: str) -> float:
        """CPU seconds of one process in the median run."""
        return median(run.cpu_s[process] for run in self.runs)


def measure(servers: Servers, topic: str, sent: Sent, *, repeats: int) -> Rates:
    """Consume the topic, and drain it, `repeats` times each; every drain has a database and a lake of its own."""
    runs, bare = [], []
    for _ in range(repeats):
        bare.append(consume_only(servers, topic))
        runs.append(drain_once(servers, topic, sent))
    return Rates(sent, tuple(runs), sent.readings / median(bare))


def consume_only(servers: Servers, topic: str) -> float:
    """Seconds that it takes to read the topic and do nothing with it."""
    settings = servers.settings.model_copy(update={"readings_topic": topic})
    with child("bench.consume_only", settings) as process:
        told, _ = process.communicate()
    assert process.returncode == 0, "consuming alone failed"
    return float(json.loads(told)["seconds"])


def drain_once(servers: Servers, topic: str, sent: Sent) -> Run:
    """Drain the topic into an empty database and an empty lake, and compare both with what was sent."""
    settings = servers.new_settings(readings_topic=topic, linger_s=0.0)
    checkpoint(servers)
    client = kafka.admin(settings)
    described = kafka.describe(client, topic)
    ends = {p: held.high_watermark for p, held in kafka.log_ranges(client, described).items()}
    with child("bench.one_drain", settings) as process, connect(settings.database_url, autocommit=True) as connection:
        meter = Meter.of(server_pids(servers))
        start(process)
        while not tables.in_both(connection, described.id, ends) and process.poll() is None:
            time.sleep(LOOK_EVERY_S)
        durable_at, cpu_s = time.time(), meter.read()
        report = finished(process)
    wrong = tables.differences(settings, sent)
    assert not wrong, f"{topic}: {wrong}"
    assert not report.differences, f"{topic}: {report.differences}"
    drop_run(servers, settings)
    return Run(durable_at - report.began_at, {"drain": report.cpu_s, **cpu_s}, report)


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


def start(process: subprocess.Popen[str]) -> None:
    """Wait until it is ready, and let it begin."""
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "ready\n", "the drain's process did not start"
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
