"""How far staging has got in each partition key, by topic and partition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl
import psycopg

POSITIONS = pl.Schema(
    {
        "day": pl.Date(),
        "topic_id": pl.String(),
        "partition": pl.Int32(),
        "next_offset": pl.Int64(),
        "end_offset": pl.Int64(),
    }
)


def positions(connection: psycopg.Connection, topic: str, sensor_type: str, days: Sequence[date]) -> pl.DataFrame:
    """Per day and partition of readings: the first offset not staged yet, and the lake's own end.

    Both are never ahead of the truth: a look at the lake afterwards finds at least these rows.
    """
    rows = connection.execute(
        """
        select d.day, m.topic_id, m.partition, coalesce(p.next_offset, 0), m.next_offset
        from unnest(%(days)s::date[]) as d (day)
        cross join lake_marks as m
        join ledger as l using (topic_id, partition)
        left join staged_positions as p
            on (p.day, p.sensor_type, p.topic_id, p.partition)
            = (d.day, %(sensor_type)s, m.topic_id, m.partition)
        where l.topic = %(topic)s
            or exists (select from touched_keys as t where t.topic_id = m.topic_id)
        order by 1, 2, 3
        """,
        {"days": list(days), "sensor_type": sensor_type, "topic": topic},
    )
    return pl.DataFrame(rows.fetchall(), schema=POSITIONS, orient="row")


def advance(connection: psycopg.Connection, sensor_type: str, reached: pl.DataFrame) -> None:
    """Remember that everything up to `end_offset` is staged, in the connection's transaction."""
    connection.cursor().executemany(
        """
        insert into staged_positions (day, sensor_type, topic_id, partition, next_offset)
        values (%s, %s, %s, %s, %s)
        on conflict (day, sensor_type, topic_id, partition) do update set
            next_offset = greatest(staged_positions.next_offset, excluded.next_offset)
        """,
        [
            (row["day"], sensor_type, row["topic_id"], row["partition"], row["end_offset"])
            for row in reached.iter_rows(named=True)
            if row["end_offset"] > row["next_offset"]
        ],
    )
