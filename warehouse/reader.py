"""The role that dashboards read with: it may read the marts, and nothing else."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from psycopg import sql

from warehouse.database import connect
from warehouse.locks import Lock

ROLE = "sensorhouse_reader"
STATEMENT_TIMEOUT = "30s"


def allow(url: str, password: str, *, schema: str = "marts") -> None:
    """Make the role, or give it this password, and let it read the schema: what is there, and what comes later.

    Later means: what the user of `url`, as whom dbt builds, makes in it.
    """
    names = {"role": sql.Identifier(ROLE), "schema": sql.Identifier(schema)}
    with connect(url) as connection:
        connection.execute("select pg_advisory_xact_lock(%s, 0)", [int(Lock.MIGRATION)])
        if not connection.execute("select 1 from pg_roles where rolname = %s", [ROLE]).fetchone():
            connection.execute(sql.SQL("create role {role}").format(**names))
        for statement in (
            "alter role {role} login nosuperuser nocreatedb nocreaterole password {password}",
            "alter role {role} set default_transaction_read_only = on",
            "alter role {role} set statement_timeout = {timeout}",
            "create schema if not exists {schema}",
            "grant usage on schema {schema} to {role}",
            "grant select on all tables in schema {schema} to {role}",
            "alter default privileges in schema {schema} grant select on tables to {role}",
        ):
            values = {"password": sql.Literal(password), "timeout": sql.Literal(STATEMENT_TIMEOUT)}
            connection.execute(sql.SQL(statement).format(**names, **values))


def url(database_url: str, password: str) -> str:
    """The same database, for the role."""
    parts = urlsplit(database_url)
    where = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{ROLE}:{quote(password, safe='')}@{where}"))
