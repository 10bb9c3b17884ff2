"""Runs the Python peers, one at a time, each in its own environment and with a database and a folder of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from bench.drains import checkpoint
from bench.measure import Meter, peak_rss_mib
from bench.peers import environments
from infra.local import processes
from sensorhouse.settings import Settings, inherited_environment
from tests.servers import Servers
from warehouse.database import connect


@dataclass(frozen=True)
class Peer:
    """A way to load the JSON topic: which script, in which environment, and the table to look into afterwards.

    Without a table, what it left in files is counted, or what it said when there are none.
    """

    name: str
    environment: str
    script: str
    table: str | None = None
    sink: str | None = None


@dataclass(frozen=True)
class PeerRate:
    """What one peer did with how many readings; `is_complete` when all of them were found afterwards."""

    name: str
    readings: int
    readings_per_s: float
    cpu_s: float
    peak_rss_mib: float
    is_complete: bool


PEERS = (
    Peer("dlt → Postgres", "dlt", "dlt_postgres", table="dlt.readings"),
    Peer("Quix Streams → Postgres", "quixstreams", "quixstreams_sink", table="quixstreams", sink="postgres"),
    Peer("Quix Streams → Parquet", "quixstreams", "quixstreams_sink", sink="parquet"),
    Peer("dagster-kafka's I/O manager → memory", "dagster-kafka", "dagster_kafka_read"),
)


def measure(servers: Servers, topic: str, readings: int, peer: Peer, *, repeats: int) -> PeerRate:
    """The best of several runs."""
    return max((_once(servers, topic, readings, peer) for _ in range(repeats)), key=lambda rate: rate.readings_per_s)


def watch(process: subprocess.Popen[Any], looked: Callable[[], bool]) -> float:
    """Wait until the process has ended or `looked` is true; returns the most memory that it was seen to hold."""
    peak = 0.0
    while process.poll() is None and not looked():
        with suppress(OSError):
            peak = max(peak, peak_rss_mib(process.pid))
        time.sleep(0.05)
    return peak


def count(settings: Settings, table: str) -> int:
    """The table's rows."""
    with connect(settings.database_url) as connection:
        found = connection.execute(f"select count(*) from {table}").fetchone()
    assert found
    return int(found[0])


def _once(servers: Servers, topic: str, readings: int, peer: Peer) -> PeerRate:
    settings = servers.new_settings()
    python = environments.python(settings, peer.environment)
    script = environments.HERE / "scripts" / f"{peer.script}.py"
    checkpoint(servers)
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        task = {
            "brokers": settings.brokers,
            "topic": topic,
            "partitions": settings.topic_partitions,
            "readings": readings,
            "url": settings.database_url,
            "folder": folder,
            "sink": peer.sink,
        }
        told = Path(folder, "told")
        with told.open("wb") as output, Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(
                [python, script, json.dumps(task)],
                cwd=folder,
                env=inherited_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
            )
            meter = Meter.of({"peer": process.pid})
            cpu_s = 0.0

            def looked() -> bool:
                nonlocal cpu_s
                cpu_s = meter.read()["peer"]
                return False

            try:
                peak = watch(process, looked)
            finally:
                processes.send(processes.session(process.pid), signal.SIGKILL)
        assert process.returncode == 0, Path(folder, "log").read_text()[-2_000:]
        found = json.loads(told.read_text().splitlines()[-1])
        files = list(Path(folder).rglob("*.parquet"))
        in_files = pl.scan_parquet(files).select(pl.len()).collect().item() if files else found["readings"]
    held = count(settings, peer.table) if peer.table else in_files
    servers.drop(settings)
    return PeerRate(
        *(peer.name, found["readings"], found["readings"] / found["seconds"], cpu_s, peak), is_complete=held == readings
    )
