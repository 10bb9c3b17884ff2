"""Kafka Connect with Debezium's JDBC sink, as a worker of its own, on the same topic."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bench.drains import checkpoint
from bench.measure import Meter
from bench.peers import environments
from bench.peers.run import PeerRate, count, watch
from infra.local import ports, processes, running, tools
from sensorhouse.settings import Settings, inherited_environment
from tests.servers import Servers
from warehouse.database import connect

NAME = "Kafka Connect + Debezium JDBC → Postgres"
TASKS = 2
BATCH = 5_000
_HEAP = ("-Xms256m", "-Xmx2g")
_START_WITHIN_S = 90.0
_END_WITHIN_S = 300.0
# Rows are counted only once the table grows no more: counting would slow what is measured.
_QUIET_S = 2.0
_TABLE = "connect_readings"
# A message without its own schema, as the topic has them, gets this one.
_FIELDS = {
    "sensor_id": "string",
    "sensor_type": "string",
    "metric": "string",
    "event_time": "string",
    "value": "double",
    "unit": "string",
    "quality": "int16",
}


def measure(servers: Servers, topic: str, readings: int, *, repeats: int) -> PeerRate | None:
    """The best of several runs; None where there is no Maven to fetch it with."""
    jars = environments.connect_jars(servers.settings)
    if jars is None:
        return None
    runs = [_once(servers, jars, topic, readings) for _ in range(repeats)]
    return max(runs, key=lambda run: run.readings_per_s)


def worker(settings: Settings, folder: Path, rest_port: int) -> dict[str, object]:
    """The worker's configuration."""
    schema = {
        "type": "struct",
        "optional": False,
        "fields": [
            {"field": name, "type": kind, "optional": False}
            | ({"name": "io.debezium.time.ZonedTimestamp"} if name == "event_time" else {})
            for name, kind in _FIELDS.items()
        ],
    }
    return {
        "bootstrap.servers": settings.brokers,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "true",
        "value.converter.schema.content": json.dumps(schema),
        "offset.storage.file.filename": folder / "offsets",
        "listeners": f"http://127.0.0.1:{rest_port}",
        "plugin.discovery": "service_load",
        "consumer.max.poll.records": BATCH,
        "consumer.fetch.max.bytes": 64 << 20,
        "consumer.max.partition.fetch.bytes": 16 << 20,
    }


def connector(settings: Settings, topic: str) -> dict[str, object]:
    """The connector's configuration."""
    where = urlsplit(settings.database_url)
    return {
        "name": "readings",
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": TASKS,
        "topics": topic,
        "connection.url": f"jdbc:postgresql://{where.hostname}:{where.port}{where.path}",
        "connection.username": where.username,
        "connection.password": where.password,
        "insert.mode": "insert",
        "primary.key.mode": "none",
        "schema.evolution": "none",
        "collection.name.format": _TABLE,
        "batch.size": BATCH,
        "dialect.postgres.unnest.insert.enabled": "true",
    }


def _once(servers: Servers, jars: Path, topic: str, readings: int) -> PeerRate:
    settings = servers.new_settings()
    _make_table(settings)
    checkpoint(servers)
    with tempfile.TemporaryDirectory(prefix="peer-") as name:
        folder = Path(name)
        (rest_port,) = ports.free(1)
        _write(folder / "worker.properties", worker(settings, folder, rest_port))
        _write(folder / "sink.properties", connector(settings, topic))
        process = _start(settings, jars, folder)
        try:
            meter = Meter.of({"connect": process.pid})
            progress = _Progress(settings)
            peak = watch(process, lambda: progress.is_over(readings))
            cpu_s = meter.read()["connect"]
            assert progress.began_at, f"no row came; {running.told(folder / 'log')}"
            assert process.poll() is None, f"the worker ended; {running.told(folder / 'log')}"
        finally:
            processes.send(processes.session(process.pid), signal.SIGKILL)
            process.wait()
    rate = readings / (progress.grown_at - progress.began_at)
    complete = count(settings, _TABLE) == readings
    servers.drop(settings)
    return PeerRate(NAME, readings, rate, cpu_s, peak, complete)


class _Progress:
    """When the table's first rows were seen, and when it was last seen to grow; what starts before is not counted."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._deadline = time.monotonic() + _START_WITHIN_S
        self._size = 0
        self.began_at = self.grown_at = 0.0

    def is_over(self, readings: int) -> bool:
        """Whether all rows are there, or no more come."""
        with connect(self._settings.database_url) as connection:
            found = connection.execute("select pg_relation_size(%s)", [_TABLE]).fetchone()
        now = time.monotonic()
        assert found
        if found[0] > self._size:
            self._size, self.grown_at = found[0], now
            if not self.began_at:
                self.began_at, self._deadline = now, now + _END_WITHIN_S
        if self.began_at and now - self.grown_at > _QUIET_S:
            return count(self._settings, _TABLE) >= readings or now > self._deadline
        return now > self._deadline


def _make_table(settings: Settings) -> None:
    with connect(settings.database_url) as connection:
        connection.execute(
            f"""
            create table {_TABLE} (
                sensor_id text, sensor_type text, metric text, event_time timestamptz,
                value double precision, unit text, quality smallint
            )
            """
        )
        connection.execute(f"create index on {_TABLE} (sensor_id, event_time)")


def _write(file: Path, properties: Mapping[str, object]) -> None:
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def _start(settings: Settings, jars: Path, folder: Path) -> subprocess.Popen[bytes]:
    java = [tools.java(settings), *_HEAP, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars}/*"]
    files = [folder / "worker.properties", folder / "sink.properties"]
    return processes.start(
        [*java, "org.apache.kafka.connect.cli.ConnectStandalone", *files],
        log=folder / "log",
        environment=inherited_environment(),
        folder=folder,
    )
