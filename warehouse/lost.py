"""Ranges of offsets that Kafka lost before every table had them, and that a person accepted as lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg

from sensorhouse.errors import Fenced
from warehouse.batches import Range

LEDGER = "ledger"
"""Stands for all tables of the warehouse, which move together."""


@dataclass(frozen=True)
class Lost:
    """One accepted range of one table: offsets `start` up to, not including, `end`, holes among them."""

    partition: int
    table: str
    start: int
    end: int
    reason: str
    accepted_by: str
    accepted_at: datetime


def lost(connection: psycopg.Connection, topic_id: str) -> list[Lost]:
    """What was accepted as lost of a topic, by partition, table and start."""
    rows = connection.execute(
        """
        select partition, table_name, start_offset, end_offset, reason, accepted_by, accepted_at
        from lost_ranges
        where topic_id = %s
        order by 1, 2, 3
        """,
        [topic_id],
    )
    return [Lost(*row) for row in rows]


def accept(
    connection: psycopg.Connection,
    topic_id: str,
    partition: int,
    ranges: Mapping[str, Range],
    *,
    reason: str,
    accepted_by: str,
) -> None:
    """Record the lost ranges, by table, and move the ledger over its own, in the caller's transaction.

    The ledger's is also remembered as a slice without messages, so that slices go on joining.

    A range that was recorded before keeps who accepted it, and grows when the log lost more since. Raises `Fenced`
    when the ledger is no longer where its range starts.
    """
    connection.cursor().executemany(
        """
        insert into lost_ranges (topic_id, partition, table_name, start_offset, end_offset, reason, accepted_by)
        values (%s, %s, %s, %s, %s, %s, %s)
        on conflict (topic_id, partition, table_name, start_offset) do update set
            end_offset = greatest(lost_ranges.end_offset, excluded.end_offset)
        """,
        [(topic_id, partition, table, at.start, at.end, reason, accepted_by) for table, at in ranges.items()],
    )
    if LEDGER in ranges:
        _move_ledger(connection, topic_id, partition, ranges[LEDGER])


def _move_ledger(connection: psycopg.Connection, topic_id: str, partition: int, over: Range) -> None:
    moved = connection.execute(
        """
        update ledger set next_offset = %s, updated_at = now()
        where topic_id = %s and partition = %s and next_offset = %s
        """,
        [over.end, topic_id, partition, over.start],
    )
    if moved.rowcount != 1:
        raise Fenced(f"the ledger of partition {partition} moved away from {over.start}")
    connection.execute(
        """
        insert into slices (
            topic_id, partition, start_offset, end_offset, messages, rows, dead_letters, checksum, dead_checksum, run_id
        )
        values (%s, %s, %s, %s, 0, 0, 0, 0, 0, 'accepted as lost')
        """,
        [topic_id, partition, over.start, over.end],
    )
