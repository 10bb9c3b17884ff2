"""Where a message's rows are by now, asked of the tables' own books."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True)
class Loaded:
    """The slice that a message came in: when the warehouse had it, by which run, and when Kafka had accepted it.

    Of slices that were merged since it is the last one's time and run.
    """

    loaded_at: datetime
    run_id: str
    accepted_from: date | None
    accepted_to: date | None


@dataclass(frozen=True)
class InLake:
    """The first version, of those still told apart, of a lake table that holds a message, and its commit's time."""

    version: int
    committed_at: datetime


@dataclass(frozen=True)
class EventPlace:
    """An order's event: its message, if the relay has published it and a drain has read it."""

    version: int
    type: str
    published_at: datetime | None
    partition: int | None
    offset: int | None


def topic_id(connection: psycopg.Connection, topic: str) -> str | None:
    """The topic of that name that was drained last."""
    found = connection.execute(
        "select topic_id from ledger where topic = %s order by updated_at desc limit 1", [topic]
    ).fetchone()
    return str(found[0]) if found else None


def loaded(connection: psycopg.Connection, topic_id: str, partition: int, offset: int) -> Loaded | None:
    """The slice that holds the offset; null while the warehouse has not got it."""
    with connection.cursor(row_factory=class_row(Loaded)) as cursor:
        return cursor.execute(
            """
            select
                loaded_at,
                run_id,
                (oldest_ingested_at at time zone 'UTC')::date as accepted_from,
                (newest_ingested_at at time zone 'UTC')::date as accepted_to
            from slices
            where topic_id = %s and partition = %s and start_offset <= %s and end_offset > %s
            """,
            [topic_id, partition, offset, offset],
        ).fetchone()


def in_lake(connection: psycopg.Connection, topic_id: str, partition: int, offset: int, table: str) -> InLake | None:
    """The commit that brought the offset; null while there is none."""
    with connection.cursor(row_factory=class_row(InLake)) as cursor:
        return cursor.execute(
            """
            select version, committed_at
            from lake_commits
            where topic_id = %s and partition = %s and table_name = %s and end_offset > %s
            order by end_offset
            limit 1
            """,
            [topic_id, partition, table, offset],
        ).fetchone()


def is_staged(
    connection: psycopg.Connection, topic_id: str, partition: int, offset: int, keys: Collection[tuple[date, str]]
) -> bool:
    """Whether a message with readings of these (day, sensor_type) is in the staged readings of all of them."""
    found = connection.execute(
        """
        select count(*)
        from unnest(%s::date[], %s::text[]) as k (day, sensor_type)
        join staged_positions as p using (day, sensor_type)
        where p.topic_id = %s and p.partition = %s and p.next_offset > %s
        """,
        [[day for day, _ in keys], [kind for _, kind in keys], topic_id, partition, offset],
    ).fetchone()
    assert found
    return int(found[0]) == len(keys)


def readings_in_marts(connection: psycopg.Connection, keys: Collection[tuple[date, str]]) -> bool:
    """Whether the marts were built of these keys' newest refresh."""
    if not _exists(connection, "marts.readings_hourly"):
        return False
    found = connection.execute(
        """
        select count(distinct (day, sensor_type))
        from unnest(%s::date[], %s::text[]) as k (day, sensor_type)
        join staged_keys as s using (day, sensor_type)
        join marts.readings_hourly as m using (day, sensor_type, refreshed_at)
        """,
        [[day for day, _ in keys], [kind for _, kind in keys]],
    ).fetchone()
    assert found
    return int(found[0]) == len(keys)


def order_events(connection: psycopg.Connection, order_id: UUID) -> list[EventPlace]:
    """An order's events in their order; none when there is no such order."""
    with connection.cursor(row_factory=class_row(EventPlace)) as cursor:
        return cursor.execute(
            """
            select distinct on (e.version) e.version, e.type, o.published_at, r.partition, r."offset"
            from order_events as e
            left join outbox as o on o.id = e.event_id
            left join raw_orders as r on r.event_id = e.event_id::text
            where e.order_id = %s
            order by e.version, r.ingested_at
            """,
            [order_id],
        ).fetchall()


def order_in_marts(connection: psycopg.Connection, order_id: UUID) -> int | None:
    """The version of the order that the marts hold; null when they hold none."""
    if not _exists(connection, "marts.orders"):
        return None
    # dbt's columns are the staging view's: ids are text there.
    found = connection.execute("select version from marts.orders where order_id::text = %s", [str(order_id)]).fetchone()
    return int(found[0]) if found else None


def _exists(connection: psycopg.Connection, table: str) -> bool:
    found = connection.execute("select to_regclass(%s) is not null", [table]).fetchone()
    return bool(found and found[0])
