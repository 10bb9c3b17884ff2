"""Events that wait in the outbox for the relay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True)
class OutboxRow:
    """An event as it is to be published; `payload` is JSON."""

    id: UUID
    aggregateid: str
    version: int
    payload: str


def unpublished(connection: psycopg.Connection, limit: int) -> list[OutboxRow]:
    """The oldest events that are not published yet."""
    with connection.cursor(row_factory=class_row(OutboxRow)) as cursor:
        # By what is missing, never by a last id: transactions become visible in another order than they began.
        return cursor.execute(
            """
            select id, aggregateid, version, payload::text as payload
            from outbox
            where published_at is null
            order by created_at, id
            limit %s
            """,
            [limit],
        ).fetchall()


def mark_published(connection: psycopg.Connection, ids: Sequence[UUID]) -> None:
    """Note that Kafka has these events."""
    connection.execute("update outbox set published_at = clock_timestamp() where id = any(%s)", [list(ids)])


def forget_published(connection: psycopg.Connection, *, kept_for: timedelta, limit: int = 10_000) -> int:
    """Drop up to `limit` events that were published longer ago than that; returns how many."""
    return connection.execute(
        """
        delete from outbox
        where ctid = any(array(
            select ctid
            from outbox
            where created_at < clock_timestamp() - %(kept_for)s and published_at < clock_timestamp() - %(kept_for)s
            limit %(limit)s
        ))
        """,
        {"kept_for": kept_for, "limit": limit},
    ).rowcount
