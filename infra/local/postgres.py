"""The local Postgres: the wheel's own programs, over TCP, with passwords."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from infra.local import places, processes, tools
from infra.local.part import Part, bare_environment
from infra.local.ports import Port
from infra.local.processes import Owner
from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings
from warehouse.database import connect

CONFIGURATION = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "max_connections": "200",
    "shared_buffers": "'256MB'",
    "max_wal_size": "'2GB'",
    "password_encryption": "'scram-sha-256'",
    "shared_preload_libraries": "'pg_stat_statements'",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_min_duration_statement": "'1s'",
}


def part(settings: Settings) -> Part:
    """The server on `postgres_port`, with one superuser, `postgres`; or the one that `postgres_url` names."""
    if settings.postgres_url:
        where = urlsplit(settings.database_url)
        address = f"{where.hostname}:{where.port or 5432}"
        return Part("postgres", command=None, is_ready=lambda _: answers(settings), address=address)
    data = places.postgres_data(settings)
    return Part(
        name="postgres",
        command=lambda: [tools.postgres() / "postgres", "-D", data],
        is_ready=lambda _: answers(settings),
        environment=lambda: _environment(settings),
        address=f"127.0.0.1:{settings.postgres_port}",
        ports=(Port(settings.postgres_port, "POSTGRES_PORT"),),
        prepare=lambda: prepare(settings, data),
        owner=places.postgres_owner,
        folder=Path("/"),
        # "Fast": ends the clients' sessions instead of waiting for them, and writes a checkpoint.
        stop_signal=signal.SIGINT,
    )


def answers(settings: Settings) -> bool:
    """Whether the server lets us in."""
    try:
        with connect(maintenance_url(settings)):
            return True
    except DependencyDown:
        return False


def maintenance_url(settings: Settings) -> str:
    """The database that is there before ours is."""
    return urlunsplit(urlsplit(settings.database_url)._replace(path="/postgres"))


def prepare(settings: Settings, data: Path) -> None:
    """Make the data folder if it is new, and write the configuration."""
    owner = places.postgres_owner()
    if not (data / "PG_VERSION").exists():
        _own(data, owner)
        _initdb(settings, data, owner)
    lines = {**CONFIGURATION, "port": str(settings.postgres_port)}
    # A file of its own, written anew at every start; postgresql.conf stays the user's.
    (data / "sensorhouse.conf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))


def _initdb(settings: Settings, data: Path, owner: Owner | None) -> None:
    password = data.parent / "initdb.password"
    if settings.postgres_password is None:
        raise ValueError("a local Postgres needs postgres_password")
    descriptor = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(settings.postgres_password.get_secret_value())
    try:
        if owner:
            os.chown(password, owner.uid, owner.gid)
        options = ["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256", "--data-checksums"]
        command = [tools.postgres() / "initdb", "-D", data, *options, f"--pwfile={password}"]
        processes.run(command, environment=_environment(settings), folder=Path("/"), owner=owner)
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write("include = 'sensorhouse.conf'\n")
    finally:
        password.unlink()


def _own(data: Path, owner: Owner | None) -> None:
    """Make the data folder for its owner alone, in a folder that they can pass through."""
    data.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    data.mkdir(exist_ok=True, mode=0o700)
    if owner:
        os.chown(data, owner.uid, owner.gid)


def _environment(settings: Settings) -> dict[str, str]:
    return bare_environment(settings) | {"HOME": "/", "LC_ALL": "C.UTF-8"}
