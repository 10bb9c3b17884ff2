"""Readings are watched as they are stored: a detector's memory and what it notices, in the slice's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

import polars as pl

from warehouse.batches import Range
from warehouse.load import Cursor, ingest

WATCHED = pl.Schema({"series_id": pl.Int64(), "event_time": pl.Datetime("us", "UTC"), "value": pl.Float64()})
INCIDENTS = pl.Schema(
    {
        "series_id": pl.Int64(),
        "is_new": pl.Boolean(),
        "kind": pl.String(),
        "started_at": pl.Datetime("us", "UTC"),
        "peak_at": pl.Datetime("us", "UTC"),
        "ended_at": pl.Datetime("us", "UTC"),
        "readings": pl.Int32(),
        "peak_score": pl.Float64(),
        "peak_value": pl.Float64(),
    }
)
# A spike may turn out to be the beginning of a shift or of noise, within this time.
RENAMED_WITHIN = timedelta(hours=4)


class Watcher(Protocol):
    """Judges a partition's readings, WATCHED in log order, by what it remembers of those before.

    Returns what it remembers then, and INCIDENTS: with `is_new` false, how one of an earlier slice goes on.
    """

    def __call__(self, state: bytes | None, readings: pl.DataFrame) -> tuple[bytes, pl.DataFrame]: ...


def watch(cursor: Cursor, watcher: Watcher, topic_id: str, ranges: Mapping[int, Range], readings: pl.DataFrame) -> None:
    """Let the watcher see a slice's readings (`partition` and WATCHED's columns), and keep what it notices."""
    noticed = []
    for partition, covered in ranges.items():
        mine = readings.filter(pl.col("partition") == partition).select(WATCHED.names())
        cursor.execute("select state from detector_state where topic_id = $1 and partition = $2", (topic_id, partition))
        known = cursor.fetchone()
        state, incidents = watcher(known[0] if known else None, mine)
        cursor.execute(_REMEMBER, (topic_id, partition, covered.end, state))
        noticed.append(incidents)
    found = pl.concat(noticed)
    if found.height:
        _keep(cursor, found)


_REMEMBER = """
insert into detector_state (topic_id, partition, next_offset, state)
values ($1, $2, $3, $4)
on conflict (topic_id, partition) do update set
    next_offset = excluded.next_offset,
    state = excluded.state,
    updated_at = now()
"""


def _keep(cursor: Cursor, incidents: pl.DataFrame) -> None:
    ingest(cursor, "incoming_incidents", incidents.select(INCIDENTS.names()), temp=True)
    cursor.execute(_GO_ON)
    cursor.execute(_BEGIN)


# The newest that was noticed of an incident's series before this slice; a silence is not what readings go on with.
_NEWEST = """
select episode_id
from episodes as newest
where newest.sensor_id = s.sensor_id
    and newest.metric = s.metric
    and newest.tier = 'online'
    and newest.kind not in ('drop_out', 'out_of_spec')
    and newest.started_at <= i.started_at
order by newest.started_at desc, newest.episode_id desc
limit 1
"""
_GO_ON = f"""
update episodes as e set
    ended_at = greatest(e.ended_at, i.ended_at),
    readings = e.readings + i.readings
from incoming_incidents as i
join series as s using (series_id)
where not i.is_new and e.episode_id = ({_NEWEST})
"""
_BEGIN = f"""
with renamed as (
    update episodes as e set
        kind = i.kind,
        ended_at = greatest(e.ended_at, i.ended_at),
        readings = e.readings + i.readings
    from incoming_incidents as i
    join series as s using (series_id)
    where i.is_new
        and i.kind in ('shift', 'noise')
        and i.started_at = (
            select min(first.started_at)
            from incoming_incidents as first
            where first.series_id = i.series_id and first.is_new
        )
        and e.episode_id = ({_NEWEST})
        and e.kind = 'spike'
        and i.started_at <= e.ended_at + interval '{RENAMED_WITHIN.total_seconds()} seconds'
    returning i.series_id, i.started_at
)

insert into episodes (
    sensor_id, sensor_type, metric, unit, day, kind, started_at, peak_at, ended_at, readings,
    peak_score, peak_value, tier
)
select
    s.sensor_id, s.sensor_type, s.metric, s.unit, (i.started_at at time zone 'UTC')::date, i.kind,
    i.started_at, i.peak_at, i.ended_at, i.readings, i.peak_score, i.peak_value, 'online'
from incoming_incidents as i
join series as s using (series_id)
where i.is_new and (i.series_id, i.started_at) not in (select series_id, started_at from renamed)
order by i.started_at, i.series_id
"""
