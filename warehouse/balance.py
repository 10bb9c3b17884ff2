"""What the warehouse holds of a topic, counted from the tables themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import LiteralString

import psycopg

from warehouse import ledger

_STORED: dict[str, LiteralString] = {
    "reading_chunks": "select coalesce(sum(count), 0)::bigint from reading_chunks where topic_id = %s",
    "raw_orders": "select count(*) from raw_orders where topic_id = %s",
}


@dataclass(frozen=True)
class Counts:
    """Of one topic: where and what the ledger says, what the tables hold, and slices that don't join."""

    next_offsets: dict[int, int]
    messages: int
    rows: int
    dead_letters: int
    cold: int
    retired: int
    stored: int
    stored_dead_letters: int
    gaps: int


def counts(connection: psycopg.Connection, topic_id: str, table: str) -> Counts:
    """Count a topic's rows in `table` and in the dead letters, beside what the ledger says; all at one moment."""
    connection.execute("set transaction isolation level repeatable read")
    messages, rows, dead_letters, cold = _one(
        connection,
        """
        select
            coalesce(sum(messages), 0)::bigint,
            coalesce(sum(rows), 0)::bigint,
            coalesce(sum(dead_letters), 0)::bigint,
            coalesce(sum(cold), 0)::bigint
        from ledger
        where topic_id = %s
        """,
        topic_id,
    )
    return Counts(
        next_offsets=ledger.next_offsets(connection, topic_id),
        messages=messages,
        rows=rows,
        dead_letters=dead_letters,
        cold=cold,
        retired=_one(connection, "select coalesce(sum(rows), 0)::bigint from retired where topic_id = %s", topic_id)[0],
        stored=_one(connection, _STORED[table], topic_id)[0],
        stored_dead_letters=_one(connection, "select count(*) from dead_letters where topic_id = %s", topic_id)[0],
        gaps=_one(connection, _GAPS, topic_id)[0],
    )


@dataclass(frozen=True)
class Reached:
    """What was decoded of a topic below some offsets."""

    rows: int
    dead_letters: int


def up_to(connection: psycopg.Connection, topic_id: str, marks: Mapping[int, int]) -> Reached | None:
    """What a table with these marks should hold, by the ledger; null when a mark lies within a slice or after all."""
    found = connection.execute(
        """
        with marks as (
            select * from unnest(%s::integer[], %s::bigint[]) as m (partition, mark)
        ),
        beyond as (
            select
                coalesce(sum(s.rows), 0)::bigint as rows,
                coalesce(sum(s.dead_letters), 0)::bigint as dead_letters,
                count(*) filter (where s.start_offset < m.mark) as cut
            from slices as s
            left join marks as m using (partition)
            where s.topic_id = %s and s.end_offset > coalesce(m.mark, 0)
        )
        select
            coalesce(sum(l.rows), 0)::bigint - beyond.rows,
            coalesce(sum(l.dead_letters), 0)::bigint - beyond.dead_letters,
            beyond.cut > 0 or coalesce(bool_or(m.mark > l.next_offset), false)
        from beyond
        left join ledger as l on l.topic_id = %s
        left join marks as m using (partition)
        group by beyond.rows, beyond.dead_letters, beyond.cut
        """,
        [list(marks), list(marks.values()), topic_id, topic_id],
    ).fetchone()
    assert found
    rows, dead_letters, unknown = found
    return None if unknown else Reached(int(rows), int(dead_letters))


def _one(connection: psycopg.Connection, query: LiteralString, topic_id: str) -> tuple[int, ...]:
    found = connection.execute(query, [topic_id]).fetchone()
    assert found
    return tuple(int(value) for value in found)


_GAPS: LiteralString = """
with joined as (
    select
        topic_id,
        partition,
        start_offset,
        end_offset,
        lag(end_offset) over (partition by partition order by start_offset) as before,
        lead(start_offset) over (partition by partition order by start_offset) as after
    from slices
    where topic_id = %s
)
select (select count(*) from joined where before <> start_offset)
    + (
        select count(*)
        from ledger as l
        join joined as j using (partition)
        where l.topic_id = j.topic_id and j.after is null and j.end_offset <> l.next_offset
    )
"""


def staged_apart(connection: psycopg.Connection, *, since: date) -> list[str]:
    """Partition keys whose staged or raw count differs from the warehouse's own; none that waits for a refresh.

    Days before `since` are left out: the warehouse no longer has them.
    """
    rows = connection.execute(
        """
        with held as (
            select day, sensor_type, count(*) as raw, count(distinct (sensor_id, metric, event_time)) as staged
            from raw_readings
            where day >= %(since)s
            group by day, sensor_type
        )
        select day::text || '|' || sensor_type
        from held
        full join staged_keys as s using (day, sensor_type)
        where day >= %(since)s
            and (coalesce(held.raw, 0), coalesce(held.staged, 0)) <> (coalesce(s.raw, 0), coalesce(s.staged, 0))
            and not exists (
                select from touched_keys as t where (t.day, t.sensor_type) = (day, sensor_type)
            )
        order by 1
        """,
        {"since": since},
    )
    return [row[0] for row in rows]
