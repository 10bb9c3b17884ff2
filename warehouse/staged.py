"""Touched partition keys, and what refreshing them left: counts of staged readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
import psycopg

from warehouse.locks import Lock, held, of_partition


@dataclass(frozen=True)
class Touch:
    """A partition key, and the end offset of the slice that touched it last.

    `is_complete` when every table has got up to that offset, `is_due` when it need not wait to be refreshed.
    """

    day: date
    sensor_type: str
    topic_id: str
    partition: int
    end_offset: int
    is_complete: bool
    is_due: bool


def ready(connection: psycopg.Connection, *, refresh_s: float) -> list[Touch]:
    """Touched keys of which the lake has rows that are not staged.

    A day that is over is due as soon as the lake has all that touched it, today's when no drain is at work. Keys that
    go on being touched meanwhile are due `refresh_s` after they were touched first, or refreshed last.
    """
    rows = connection.execute(
        """
        select
            day,
            sensor_type,
            topic_id,
            partition,
            end_offset,
            m.next_offset >= k.end_offset as is_complete,
            day < (now() at time zone 'UTC')::date as is_over,
            greatest(k.first_touched_at, s.refreshed_at) <= now() - make_interval(secs => %s) as has_waited
        from touched_keys as k
        join lake_marks as m using (topic_id, partition)
        left join staged_keys as s using (day, sensor_type)
        left join staged_positions as p using (day, sensor_type, topic_id, partition)
        where m.next_offset >= k.end_offset or m.next_offset > coalesce(p.next_offset, 0)
        order by sensor_type, day, topic_id, partition
        """,
        [refresh_s],
    ).fetchall()
    draining = held(connection, Lock.DRAIN, [of_partition(row[2], row[3]) for row in rows])
    return [
        Touch(
            *(day, sensor_type, topic_id, partition, end_offset, is_complete),
            is_due=has_waited or (is_complete and (is_over or of_partition(topic_id, partition) not in draining)),
        )
        for day, sensor_type, topic_id, partition, end_offset, is_complete, is_over, has_waited in rows
    ]


def clear(connection: psycopg.Connection, touches: Sequence[Touch]) -> None:
    """Forget what was refreshed in whole; a key that was touched again since, or that the lake lacks rows of, stays."""
    connection.cursor().executemany(
        """
        delete from touched_keys
        where (day, sensor_type, topic_id, partition, end_offset) = (%s, %s, %s, %s, %s)
        """,
        [
            (touch.day, touch.sensor_type, touch.topic_id, touch.partition, touch.end_offset)
            for touch in touches
            if touch.is_complete
        ],
    )


def remember(connection: psycopg.Connection, counts: pl.DataFrame) -> None:
    """Store day, sensor_type, raw, staged, duplicates and revisions of partition keys."""
    connection.cursor().executemany(
        """
        insert into staged_keys (day, sensor_type, raw, staged, duplicates, revisions, refreshed_at)
        values (
            %(day)s, %(sensor_type)s, %(raw)s, %(staged)s, %(duplicates)s, %(revisions)s,
            -- Not now(), the begin of the transaction: that may lie before a judging for whose end it waited.
            clock_timestamp()
        )
        on conflict (day, sensor_type) do update set
            raw = excluded.raw,
            staged = excluded.staged,
            duplicates = excluded.duplicates,
            revisions = excluded.revisions,
            refreshed_at = excluded.refreshed_at
        """,
        counts.to_dicts(),
    )


def forget_days(connection: psycopg.Connection, before: date) -> None:
    """Forget the partition keys of days before that one, whose staged rows were dropped."""
    for table in ("staged_keys", "staged_positions", "judged_keys"):
        connection.execute(f"delete from {table} where day < %s", [before])


def sensor_types(connection: psycopg.Connection) -> list[str]:
    """The catalogue's sensor types."""
    return [row[0] for row in connection.execute("select sensor_type from sensor_types order by 1")]


@dataclass(frozen=True)
class StagedSums:
    """Over all partition keys: raw = staged + duplicates + revisions."""

    raw: int
    staged: int
    duplicates: int
    revisions: int


def sums(connection: psycopg.Connection) -> StagedSums:
    """What staging has made of everything so far."""
    found = connection.execute(
        "select coalesce(sum(raw), 0)::bigint, coalesce(sum(staged), 0)::bigint,"
        " coalesce(sum(duplicates), 0)::bigint, coalesce(sum(revisions), 0)::bigint from staged_keys"
    ).fetchone()
    assert found
    return StagedSums(*found)


def next_serial(connection: psycopg.Connection, prefix: str) -> int:
    """One more than the highest serial among sensors whose id is `prefix`, a dash and a number."""
    found = connection.execute(
        "select coalesce(max(substring(sensor_id from '[0-9]+$')::integer), 0) + 1"
        " from series where sensor_id ~ ('^' || %s || '-[0-9]+$')",
        [prefix],
    ).fetchone()
    assert found
    return int(found[0])
