"""Advisory locks: who may do what only one may do at a time. They end with the connection that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from psycopg import Connection


class Lock(IntEnum):
    """What is locked; any numbers will do, as long as nothing else in this database locks on them."""

    MIGRATION = 7_306_001
    DRAIN = 7_306_002
    STAGING = 7_306_003
    REFRESH = 7_306_004
    RELAY = 7_306_005
    SILENCE = 7_306_006
    COUNT = 7_306_007
    UPKEEP = 7_306_011


def take(connection: Connection, lock: Lock, name: str = "") -> bool:
    """Hold the lock, on `name` alone, for as long as this connection lives; False when another does."""
    found = connection.execute("select pg_try_advisory_lock(%s, hashtext(%s))", [lock, name]).fetchone()
    return bool(found and found[0])


def wait_for(connection: Connection, lock: Lock, name: str = "") -> None:
    """Hold the lock until the transaction ends; waits while another does."""
    connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", [lock, name])


def is_held(connection: Connection, lock: Lock, name: str = "") -> bool:
    """Whether anyone living holds it; takes nothing."""
    return bool(held(connection, lock, [name]))


def held(connection: Connection, lock: Lock, names: Sequence[str]) -> set[str]:
    """Those of the names on which anyone living holds the lock; takes nothing."""
    found = connection.execute(
        """
        select name
        from unnest(%s::text[]) as name
        where exists (
            select from pg_locks
            where locktype = 'advisory'
                and database = (select oid from pg_database where datname = current_database())
                and classid = %s
                and objid = (hashtext(name)::bigint & 4294967295)::oid
                and objsubid = 2
                and granted
        )
        """,
        [list(names), lock],
    )
    return {row[0] for row in found}


def of_partition(topic_id: str, partition: int) -> str:
    """What a drain's lock on one partition is named."""
    return f"{topic_id}/{partition}"
