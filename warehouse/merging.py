"""Old slices and lake commits put together, to the hour, so that the books do not grow for ever; their sums stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg


@dataclass(frozen=True)
class Books:
    """How many rows the books have: slices, and commits to the lake by partition and table."""

    slices: int
    lake_commits: int


def books(connection: psycopg.Connection) -> Books:
    """Count them."""
    found = connection.execute("select (select count(*) from slices), (select count(*) from lake_commits)").fetchone()
    assert found
    return Books(*found)


def merge(connection: psycopg.Connection, *, before: datetime) -> None:
    """Merge what was written before, in the caller's transaction.

    Slices of a partition that join and were loaded within one hour become one, with the sums of what they amounted to
    and the last one's run; a slice that the lake has not got stays as it is, and so does one without a checksum. Of the
    lake's commits the last of each hour stays. To be called by one at a time, and not beside a retirement.
    """
    connection.execute(_MERGE_SLICES, {"before": before})
    connection.execute(_MERGE_COMMITS, {"before": before})


_MERGE_SLICES = """
with old as (
    select
        s.*,
        date_trunc('hour', s.loaded_at) as hour,
        lag(s.end_offset) over joined as joins_at,
        lag(date_trunc('hour', s.loaded_at)) over joined as hour_before
    from slices as s
    join lake_marks as m using (topic_id, partition)
    where s.loaded_at < %(before)s
        and s.end_offset <= m.next_offset
        and s.checksum is not null
        and s.dead_checksum is not null
    window joined as (partition by s.topic_id, s.partition order by s.start_offset)
),
numbered as (
    select
        *,
        count(*) filter (where (joins_at, hour_before) is distinct from (start_offset, hour))
            over (partition by topic_id, partition order by start_offset) as place
    from old
),
merged as (
    select
        topic_id,
        partition,
        min(start_offset) as start_offset,
        max(end_offset) as end_offset,
        sum(slices) as slices,
        sum(messages) as messages,
        sum(bytes) as bytes,
        sum(rows) as rows,
        sum(cold) as cold,
        sum(retired) as retired,
        sum(dead_letters) as dead_letters,
        wrapped_sum(checksum) as checksum,
        wrapped_sum(cold_checksum) as cold_checksum,
        wrapped_sum(retired_checksum) as retired_checksum,
        wrapped_sum(dead_checksum) as dead_checksum,
        min(oldest_ingested_at) as oldest_ingested_at,
        max(newest_ingested_at) as newest_ingested_at,
        sum(read_s) as read_s,
        sum(decode_s) as decode_s,
        sum(load_s) as load_s,
        max(loaded_at) as loaded_at,
        (array_agg(run_id order by start_offset desc))[1] as run_id
    from numbered
    group by topic_id, partition, place
    having count(*) > 1
),
gone as (
    delete from slices as s
    using merged as m
    where (s.topic_id, s.partition) = (m.topic_id, m.partition)
        and s.start_offset > m.start_offset
        and s.start_offset < m.end_offset
)
update slices as s set
    end_offset = m.end_offset,
    slices = m.slices,
    messages = m.messages,
    bytes = m.bytes,
    rows = m.rows,
    cold = m.cold,
    retired = m.retired,
    dead_letters = m.dead_letters,
    checksum = m.checksum,
    cold_checksum = m.cold_checksum,
    retired_checksum = m.retired_checksum,
    dead_checksum = m.dead_checksum,
    oldest_ingested_at = m.oldest_ingested_at,
    newest_ingested_at = m.newest_ingested_at,
    read_s = m.read_s,
    decode_s = m.decode_s,
    load_s = m.load_s,
    loaded_at = m.loaded_at,
    run_id = m.run_id
from merged as m
where (s.topic_id, s.partition, s.start_offset) = (m.topic_id, m.partition, m.start_offset)
"""

_MERGE_COMMITS = """
with later as (
    select
        *,
        lead(date_trunc('hour', committed_at)) over of_partition as hour_after,
        lead(committed_at) over of_partition as after
    from lake_commits
    window of_partition as (partition by topic_id, partition, table_name order by end_offset)
)
delete from lake_commits as c
using later as l
where (c.topic_id, c.partition, c.table_name, c.end_offset) = (l.topic_id, l.partition, l.table_name, l.end_offset)
    and l.after < %(before)s
    and l.hour_after = date_trunc('hour', c.committed_at)
"""
