"""Silent series: each has one drop-out among the episodes, which goes on until the series talks again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from warehouse.database import Connection

# A series that is silent: when it talked last, as of when that is known, and how many of its intervals lie between.
SILENCES = pl.Schema(
    {
        "series_id": pl.Int64(),
        "last_seen": pl.Datetime("us", "UTC"),
        "as_of": pl.Datetime("us", "UTC"),
        "intervals": pl.Float64(),
    }
)


@dataclass(frozen=True)
class Remembered:
    """What the detector remembers of a partition, up to which offset, and when the newest of that reached Kafka."""

    partition: int
    next_offset: int
    state: bytes
    newest_ingested_at: datetime | None


def remembered(connection: Connection, topic_id: str) -> list[Remembered]:
    """What the detector remembers of each partition."""
    # One statement: a state and how far it has seen the log are of the same moment. Binary: text is twice the bytes.
    rows = connection.cursor(binary=True).execute(
        """
        select
            d.partition,
            d.next_offset,
            d.state,
            (
                select s.newest_ingested_at
                from slices as s
                where s.topic_id = d.topic_id
                    and s.partition = d.partition
                    and s.newest_ingested_at is not null
                order by s.start_offset desc
                limit 1
            ) as newest_ingested_at
        from detector_state as d
        where d.topic_id = %s
        order by d.partition
        """,
        [topic_id],
    )
    return [Remembered(*row) for row in rows]


def known(connection: Connection) -> pl.DataFrame:
    """The silences that were told and go on: `series_id`, when each had talked last (`known`), and its `ended_at`."""
    rows = connection.execute(
        "select s.series_id, s.last_seen, e.ended_at from silences as s join episodes as e using (episode_id)"
    ).fetchall()
    time = pl.Datetime("us", "UTC")
    return pl.DataFrame(rows, {"series_id": pl.Int64, "known": time, "ended_at": time}, orient="row")


def begin(connection: Connection, silences: pl.DataFrame) -> None:
    """Tell SILENCES that are new."""
    connection.execute(
        f"""
        with incoming as materialized (
            select *, uuidv7() as episode_id
            from {_SILENCES}
        ),

        silent as (
            insert into silences (series_id, episode_id, last_seen)
            select series_id, episode_id, last_seen from incoming
        )

        insert into episodes (
            episode_id, sensor_id, sensor_type, metric, unit, day, kind, started_at, peak_at, ended_at, readings,
            peak_score, tier
        )
        select
            i.episode_id, s.sensor_id, s.sensor_type, s.metric, s.unit, (i.last_seen at time zone 'UTC')::date,
            'drop_out', i.last_seen, i.last_seen, i.as_of, 0, i.intervals, 'online'
        from incoming as i
        join series as s using (series_id)
        """,
        _columns(silences),
    )


def go_on(connection: Connection, silences: pl.DataFrame) -> None:
    """Move the end of the episodes of SILENCES that were told before."""
    connection.execute(
        f"""
        update episodes as e set
            ended_at = greatest(e.ended_at, i.as_of),
            peak_score = greatest(e.peak_score, i.intervals)
        from {_SILENCES}
        join silences as s using (series_id)
        where e.episode_id = s.episode_id
        """,
        _columns(silences),
    )


def end(connection: Connection, series: Sequence[int]) -> None:
    """End the episodes of series that talk again at the first reading after the silence, for good."""
    connection.execute(
        """
        with talking as (
            delete from silences
            where series_id = any(%s)
            returning series_id, episode_id, last_seen
        )

        update episodes as e set
            ended_at = first.at,
            peak_score = e.peak_score * extract(epoch from first.at - e.started_at)
                / extract(epoch from e.ended_at - e.started_at)
        from talking as t
        cross join lateral (
            select min(r.at) as at
            from reading_chunks as c
            cross join lateral unnest(c.event_times) as r (at)
            where c.series_id = t.series_id
                -- A chunk holds readings of one day.
                and c.t_min >= date_trunc('day', t.last_seen, 'UTC')
                and c.t_max > t.last_seen
                and r.at > t.last_seen
        ) as first
        where e.episode_id = t.episode_id and first.at is not null
        """,
        [list(series)],
    )


_SILENCES = (
    "unnest(%s::integer[], %s::timestamptz[], %s::timestamptz[], %s::double precision[])"
    " as i (series_id, last_seen, as_of, intervals)"
)


def _columns(silences: pl.DataFrame) -> list[list[object]]:
    return [silences.get_column(name).to_list() for name in SILENCES]
