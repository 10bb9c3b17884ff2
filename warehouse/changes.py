"""A number that moves when anything the marts read has changed."""

from __future__ import annotations

import psycopg


def marker(connection: psycopg.Connection) -> str:
    """Changes with every loaded order event and every refreshed or judged partition key."""
    found = connection.execute(
        """
        select concat_ws(
            '/',
            (select coalesce(sum(next_offset), 0) from ledger),
            (select extract(epoch from max(refreshed_at)) from staged_keys),
            (select extract(epoch from max(judged_at)) from judged_keys)
        )
        """
    ).fetchone()
    assert found
    return str(found[0])


def waiting(connection: psycopg.Connection) -> tuple[int, int]:
    """How many outbox rows are not published, and how many partition keys wait for a refresh."""
    found = connection.execute(
        """
        select
            (select count(*) from outbox where published_at is null),
            (select count(distinct (day, sensor_type)) from touched_keys)
        """
    ).fetchone()
    assert found
    return found[0], found[1]
