"""How far each partition has been loaded, for those who only look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg


@dataclass(frozen=True)
class LakeCommit:
    """A version of a lake table, and the offsets that it ends at by partition."""

    table: str
    version: int
    ends: Mapping[int, int]


def next_offsets(connection: psycopg.Connection, topic_id: str) -> dict[int, int]:
    """Per partition, the first offset that the warehouse has not loaded; partitions never loaded are absent."""
    rows = connection.execute("select partition, next_offset from ledger where topic_id = %s", [topic_id])
    return dict(rows.fetchall())


def lake_marks(connection: psycopg.Connection, topic_id: str) -> dict[int, int]:
    """The lake's marks as last reported; the truth is in the lake, and never behind this."""
    rows = connection.execute("select partition, next_offset from lake_marks where topic_id = %s", [topic_id])
    return dict(rows.fetchall())


def report_lake(
    connection: psycopg.Connection, topic_id: str, marks: Mapping[int, int], commits: Sequence[LakeCommit] = ()
) -> None:
    """Copy the lake's marks, and which versions hold them, to where others can look them up."""
    cursor = connection.cursor()
    cursor.executemany(
        """
        insert into lake_marks (topic_id, partition, next_offset) values (%s, %s, %s)
        on conflict (topic_id, partition) do update set
            next_offset = excluded.next_offset,
            updated_at = now()
        -- Nothing at all for a drain that was overtaken: its marks are old.
        where lake_marks.next_offset < excluded.next_offset
        """,
        [(topic_id, partition, offset) for partition, offset in sorted(marks.items())],
    )
    cursor.executemany(
        """
        insert into lake_commits (topic_id, partition, table_name, end_offset, version) values (%s, %s, %s, %s, %s)
        on conflict do nothing
        """,
        [
            (topic_id, partition, commit.table, end, commit.version)
            for commit in commits
            for partition, end in sorted(commit.ends.items())
        ],
    )
