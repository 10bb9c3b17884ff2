"""Connections to the warehouse, its creation and its migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from sensorhouse.errors import DependencyDown
from warehouse.locks import Lock

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]


@contextmanager
def connect(url: str, *, autocommit: bool = False) -> Iterator[Connection]:
    """A connection that commits on leaving, or rolls back on an error.

    Raises `DependencyDown` when the server can't be reached, or goes away meanwhile.
    """
    try:
        with psycopg.connect(url, autocommit=autocommit, connect_timeout=5) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise DependencyDown(f"Postgres does not answer: {error}") from error


def create_database(url: str) -> None:
    """Create the database that `url` names, if it isn't there; the server must be."""
    parts = urlsplit(url)
    name = parts.path.lstrip("/")
    with connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as connection:
        if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def migrate(url: str) -> None:
    """Bring the warehouse's schema up to date; several processes may do so at once."""
    # Only here: they take a second to import, and every run would pay for it.
    import alembic.command
    import alembic.config
    import sqlalchemy

    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({int(Lock.MIGRATION)}, 0)")
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
    engine.dispose()
