"""Real Kafka, Postgres and S3 for the tests: the local stack's own parts, on free ports, in a folder of their own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from infra.local import kafka, places, ports, postgres, processes, running, tools, versitygw
from infra.local.part import Part
from sensorhouse.settings import Settings
from sensors_io.kafka import admin, ensure_topics
from warehouse.database import connect, create_database, migrate

ACCESS_KEY = "tests"
SECRET_KEY = "tests-secret"
TEMPLATE = "sensorhouse_template"
MARK = "made-by-tests"


@dataclass
class Server:
    """A server that a test may kill and start again: same address, same data."""

    part: Part
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def launch(self) -> None:
        """Start it; `wait_ready` waits until it answers."""
        # Nothing here is worth a clean end when pytest itself is killed.
        self.process = running.launch(self.part, self.log, dies_with_us=signal.SIGKILL)

    def wait_ready(self) -> None:
        """Wait until it answers."""
        assert self.process, f"{self.part.name} was not started"
        running.wait_ready(self.part, self.process, self.log)

    def start(self) -> None:
        """Start it, or let it go on, and wait until it answers; does nothing when it runs."""
        if self.process is None or self.process.poll() is not None:
            self.launch()
        else:
            self.resume()
        self.wait_ready()

    def kill(self) -> None:
        """End it as a crash does, without a warning."""
        assert self.process, f"{self.part.name} was not started"
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Let it stop answering, its connections open."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it properly."""
        if self.process:
            running.stop(self.part, self.process)


@dataclass(frozen=True)
class SideDoor:
    """A second port of the broker, which tells its clients another address: that of a proxy that a test may start.

    Kafka's clients connect to the address that the broker tells them, so a proxy without this would be left out.
    """

    port: int
    advertised: int

    def opened(self, broker: Part, settings: Settings) -> Part:
        """The broker with this door."""

        data = places.state_dir(settings) / "kafka"
        return replace(broker, prepare=lambda: kafka.prepare(settings, data, changes=self._properties(settings)))

    def _properties(self, settings: Settings) -> str:
        plain = f"PLAINTEXT://127.0.0.1:{settings.kafka_port}"
        return f"""\
listeners={plain},SIDE://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{settings.kafka_controller_port}
advertised.listeners={plain},SIDE://127.0.0.1:{self.advertised}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SIDE:PLAINTEXT
"""


@dataclass
class Servers:
    """The three servers, and settings that point at them."""

    kafka: Server
    postgres: Server
    s3: Server
    settings: Settings
    side_door: SideDoor

    def start(self) -> None:
        """Start all three, those that were killed too."""
        for server in (self.kafka, self.postgres, self.s3):
            server.start()

    def stop(self) -> None:
        """End all three and drop what they kept."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Server.stop, (self.kafka, self.postgres, self.s3)))
        shutil.rmtree(places.postgres_data(self.settings).parent, ignore_errors=True)

    def new_settings(self, **changes: object) -> Settings:
        """Settings with a database, a bucket and topics that nobody else has."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self._make_database(name)
        self._make_bucket(name)
        base = self.settings.model_dump() | {
            "postgres_url": _with_database(self.settings, name),
            "lake_url": f"s3://{name}/lake",
            "orders_topic": f"{name}.orders",
            "readings_topic": f"{name}.readings",
            "dagster_database": f"{name}_dagster",
        }
        settings = Settings(_env_file=None, **(base | changes))
        ensure_topics(settings)
        return settings

    def drop(self, settings: Settings) -> None:
        """Drop the database and the topics of `new_settings`; a bucket costs nothing until the end."""
        with connect(postgres.maintenance_url(self.settings), autocommit=True) as connection:
            connection.execute(f'drop database if exists "{_database(settings)}" with (force)')
            connection.execute(f'drop database if exists "{settings.dagster_database}" with (force)')
        names = [settings.orders_topic, settings.readings_topic]
        client = admin(settings)
        for dropped in client.delete_topics(names, operation_timeout=5).values():
            dropped.exception()

    def drop_database(self, name: str) -> None:
        """Drop another database that a test made."""
        with connect(postgres.maintenance_url(self.settings), autocommit=True) as connection:
            connection.execute(f'drop database if exists "{name}" with (force)')

    def make_template(self) -> None:
        """Migrate the database that every test's own is a copy of."""
        url = _with_database(self.settings, TEMPLATE)
        create_database(url)
        migrate(url)

    def _make_database(self, name: str) -> None:
        with connect(postgres.maintenance_url(self.settings), autocommit=True) as connection:
            connection.execute(f'create database "{name}" template {TEMPLATE}')

    def _make_bucket(self, name: str) -> None:
        # The gateway keeps a bucket as a folder, and takes one that is already there.
        (places.state_dir(self.settings) / "s3" / name).mkdir()


def fetch_programs() -> None:
    """Fetch what the three servers run on; the S3 server takes two minutes to build, once."""
    settings = Settings(_env_file=None)
    tools.java(settings)
    tools.kafka_jars(settings)
    tools.versitygw(settings)


def start_servers(folder: Path) -> Servers:
    """Start all three at the same time, and wait for them."""
    remove_abandoned()
    kafka_port, controller_port, postgres_port, s3_port, *side = ports.free(6)
    settings = Settings(
        _env_file=None,
        state_dir=folder,
        kafka_port=kafka_port,
        kafka_controller_port=controller_port,
        postgres_port=postgres_port,
        postgres_password=SecretStr("tests"),
        s3_endpoint=f"http://127.0.0.1:{s3_port}",
        s3_access_key_id=SecretStr(ACCESS_KEY),
        s3_secret_access_key=SecretStr(SECRET_KEY),
        jwt_secret=SecretStr("a signing key for tests, 32 bytes or more"),
    )
    gateway = versitygw.part(settings, port=s3_port, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    side_door = SideDoor(*side)
    parts = (side_door.opened(kafka.part(settings), settings), postgres.part(settings), gateway)
    servers = Servers(*(Server(part, folder / f"{part.name}.log") for part in parts), settings, side_door)
    _mark_as_ours(places.postgres_data(settings).parent)
    try:
        for server in (servers.kafka, servers.postgres, servers.s3):
            server.launch()
        servers.postgres.wait_ready()
        servers.make_template()
        servers.kafka.wait_ready()
        servers.s3.wait_ready()
    except BaseException:
        servers.stop()
        raise
    return servers


def remove_abandoned() -> None:
    """Remove what a killed pytest left outside its folder (see infra/local/places.py)."""
    for mark in places.SYSTEM_DATA.glob(f"*/{MARK}"):
        pid, start_time = map(int, mark.read_text().split())
        if not processes.is_alive(processes.Identity(pid, start_time)):
            shutil.rmtree(mark.parent, ignore_errors=True)


def _mark_as_ours(folder: Path) -> None:
    us = processes.ourselves()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text(f"{us.pid} {us.start_time}")


def _with_database(settings: Settings, name: str) -> str:
    return urlunsplit(urlsplit(settings.database_url)._replace(path=f"/{name}"))


def _database(settings: Settings) -> str:
    return urlsplit(settings.database_url).path.lstrip("/")
