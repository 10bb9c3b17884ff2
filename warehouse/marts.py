"""What the marts hold: how much of the tables, how many rows, which columns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from psycopg import sql

from warehouse.database import Connection


@dataclass(frozen=True)
class Coverage:
    """Of orders and staged readings: how many there are, and how many the marts hold."""

    orders: int
    orders_in_marts: int
    readings: int
    readings_in_marts: int

    @property
    def is_complete(self) -> bool:
        """Whether the marts hold everything."""
        return self.orders == self.orders_in_marts and self.readings == self.readings_in_marts


def coverage(connection: Connection) -> Coverage:
    """Count; marts that were never built hold nothing."""
    built = connection.execute(
        "select to_regclass('marts.orders') is not null and to_regclass('marts.readings_hourly') is not null"
    ).fetchone()
    orders = connection.execute("select count(*) from orders").fetchone()
    readings = connection.execute("select coalesce(sum(staged), 0)::bigint from staged_keys").fetchone()
    assert built
    assert orders
    assert readings
    if not built[0]:
        return Coverage(orders[0], 0, readings[0], 0)
    held = connection.execute(
        """
        select
            (select count(*) from marts.orders),
            -- The marts keep days that have left the hot window.
            (
                select coalesce(sum(m.readings), 0)::bigint
                from marts.readings_hourly as m
                join staged_keys using (day, sensor_type)
            )
        """
    ).fetchone()
    assert held
    return Coverage(orders[0], held[0], readings[0], held[1])


def rows(connection: Connection, schema: str, table: str) -> int:
    """How many a table has."""
    counted = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))).fetchone()
    assert counted
    count: int = counted[0]
    return count


def columns(connection: Connection, tables: Collection[tuple[str, str]]) -> dict[tuple[str, str], dict[str, str]]:
    """By (schema, table), each column's type, in order; what does not exist is left out."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    names = [list(part) for part in zip(*tables, strict=True)] or [[], []]
    for schema, table, column, kind in connection.execute(
        """
        select nspname, relname, attname, format_type(atttypid, null)
        from unnest(%s::text[], %s::text[]) as wanted (nspname, relname)
        join pg_namespace using (nspname)
        join pg_class using (relname)
        join pg_attribute on attrelid = pg_class.oid
        where relnamespace = pg_namespace.oid and attnum > 0 and not attisdropped
        order by nspname, relname, attnum
        """,
        names,
    ):
        found.setdefault((schema, table), {})[column] = kind
    return found
