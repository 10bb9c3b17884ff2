"""How far each partition has been loaded, for those who only look."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg


def next_offsets(connection: psycopg.Connection, topic_id: str) -> dict[int, int]:
    """Per partition, the first offset that the warehouse has not loaded; partitions never loaded are absent."""
    rows = connection.execute("select partition, next_offset from ledger where topic_id = %s", [topic_id])
    return dict(rows.fetchall())


def lake_marks(connection: psycopg.Connection, topic_id: str) -> dict[int, int]:
    """The lake's marks as last reported; the truth is in the lake, and never behind this."""
    rows = connection.execute("select partition, next_offset from lake_marks where topic_id = %s", [topic_id])
    return dict(rows.fetchall())


def report_lake_marks(connection: psycopg.Connection, topic_id: str, marks: Mapping[int, int]) -> None:
    """Copy the lake's marks to where others can look them up."""
    connection.cursor().executemany(
        """
        insert into lake_marks (topic_id, partition, next_offset) values (%s, %s, %s)
        on conflict (topic_id, partition) do update set
            next_offset = greatest(lake_marks.next_offset, excluded.next_offset),
            updated_at = now()
        """,
        [(topic_id, partition, offset) for partition, offset in marks.items()],
    )
