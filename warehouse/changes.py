"""A number that moves when anything the marts read has changed."""

from __future__ import annotations

import psycopg


def marker(connection: psycopg.Connection) -> str:
    """Changes with every loaded order event and every refreshed partition key."""
    found = connection.execute(
        """
        select concat_ws(
            '/',
            (select coalesce(sum(next_offset), 0) from ledger),
            (select extract(epoch from max(refreshed_at)) from staged_keys)
        )
        """
    ).fetchone()
    assert found
    return str(found[0])
