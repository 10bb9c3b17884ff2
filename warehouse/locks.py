"""Advisory locks: who may do what only one may do at a time. They end with the connection that holds them."""

from __future__ import annotations

from enum import IntEnum

from psycopg import Connection


class Lock(IntEnum):
    """What is locked; any numbers will do, as long as nothing else in this database locks on them."""

    MIGRATION = 7_306_001
    DRAIN = 7_306_002
    STAGING = 7_306_003
    REFRESH = 7_306_004
    RELAY = 7_306_005


def take(connection: Connection, lock: Lock, name: str = "") -> bool:
    """Hold the lock, on `name` alone, for as long as this connection lives; False when another does."""
    found = connection.execute("select pg_try_advisory_lock(%s, hashtext(%s))", [lock, name]).fetchone()
    return bool(found and found[0])


def wait_for(connection: Connection, lock: Lock, name: str = "") -> None:
    """Hold the lock until the transaction ends; waits while another does."""
    connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", [lock, name])


def is_held(connection: Connection, lock: Lock, name: str = "") -> bool:
    """Whether anyone living holds it; takes nothing."""
    found = connection.execute(
        """
        select exists (
            select from pg_locks
            where locktype = 'advisory'
                and database = (select oid from pg_database where datname = current_database())
                and classid = %s
                and objid = (hashtext(%s)::bigint & 4294967295)::oid
                and objsubid = 2
                and granted
        )
        """,
        [lock, name],
    ).fetchone()
    return bool(found and found[0])
