"""A number that moves when anything the marts read has changed."""

from __future__ import annotations

from typing import LiteralString

import psycopg


def marker(connection: psycopg.Connection) -> str:
    """Changes with every slice, every refreshed or judged partition key, every new unit, episode or end of a silence.

    The end of a silence that goes on moves twice a minute; that counts every ten minutes.
    """
    found = connection.execute(
        """
        select concat_ws(
            '/',
            (select coalesce(sum(next_offset), 0) from ledger),
            (select extract(epoch from max(refreshed_at)) from staged_keys),
            (select extract(epoch from max(judged_at)) from judged_keys),
            (select count(*) from units),
            -- Their ids are in the order of time.
            (select episode_id from episodes order by episode_id desc limit 1),
            (
                select concat_ws(
                    '+',
                    count(*),
                    extract(epoch from date_bin('10 minutes', max(e.ended_at), timestamptz 'epoch'))
                )
                from silences as s
                join episodes as e using (episode_id)
            )
        )
        """
    ).fetchone()
    assert found
    return str(found[0])


def unpublished(connection: psycopg.Connection) -> int:
    """How many outbox rows wait to be published."""
    return _count(connection, "select count(*) from outbox where published_at is null")


def touched(connection: psycopg.Connection) -> int:
    """How many partition keys wait for a refresh."""
    return _count(connection, "select count(distinct (day, sensor_type)) from touched_keys")


def _count(connection: psycopg.Connection, query: LiteralString) -> int:
    found = connection.execute(query).fetchone()
    assert found
    return int(found[0])
