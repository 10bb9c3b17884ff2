"""What the warehouse holds of a topic, counted from the tables themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg

_ROWS: dict[str, LiteralString] = {
    "reading_chunks": "select coalesce(sum(cardinality(readings)), 0)::bigint from reading_chunks where topic_id = %s",
    "raw_orders": "select count(*) from raw_orders where topic_id = %s",
}
_REPEATED: dict[str, LiteralString] = {
    "reading_chunks": """
        select count(*) - count(distinct (partition, "offset", index)) from raw_readings where topic_id = %s
    """,
    # Its primary key is the position.
    "raw_orders": "select 0 where %s <> ''",
}


@dataclass(frozen=True)
class Counts:
    """Of one topic: the ledger's sums, the tables' own counts, and slices that don't join."""

    messages: int
    decoded: int
    rows: int
    dead_letters: int
    gaps: int


def counts(connection: psycopg.Connection, topic_id: str, table: str) -> Counts:
    """Count a topic's rows in `table` and in the dead letters, beside what the ledger says."""
    messages, decoded = _one(
        connection,
        "select coalesce(sum(messages), 0)::bigint, coalesce(sum(rows + dead_letters), 0)::bigint"
        " from ledger where topic_id = %s",
        topic_id,
    )
    return Counts(
        messages=messages,
        decoded=decoded,
        rows=_one(connection, _ROWS[table], topic_id)[0],
        dead_letters=_one(connection, "select count(*) from dead_letters where topic_id = %s", topic_id)[0],
        gaps=_one(connection, _GAPS, topic_id)[0],
    )


def repeated(connection: psycopg.Connection, topic_id: str, table: str) -> int:
    """Rows of `table` whose position another row has too; looks at every row."""
    return _one(connection, _REPEATED[table], topic_id)[0]


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


def staged_apart(connection: psycopg.Connection) -> list[str]:
    """Partition keys whose staged or raw count differs from the warehouse's own; none that waits for a refresh."""
    rows = connection.execute(
        """
        with held as (
            select day, sensor_type, count(*) as raw, count(distinct (sensor_id, metric, event_time)) as staged
            from raw_readings
            group by day, sensor_type
        )
        select day::text || '|' || sensor_type
        from held
        full join staged_keys as s using (day, sensor_type)
        where (coalesce(held.raw, 0), coalesce(held.staged, 0)) <> (coalesce(s.raw, 0), coalesce(s.staged, 0))
            and not exists (
                select from touched_keys as t where (t.day, t.sensor_type) = (day, sensor_type)
            )
        order by 1
        """
    )
    return [row[0] for row in rows]
