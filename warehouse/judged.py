"""What the batch detector has judged: which keys wait for it, what it knows of them, and the episodes it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
import psycopg

# As the lake holds them and the warehouse's table does, both tiers.
EPISODES = pl.Schema(
    {
        "episode_id": pl.String(),
        "sensor_id": pl.String(),
        "sensor_type": pl.String(),
        "metric": pl.String(),
        "unit": pl.String(),
        "day": pl.Date(),
        "kind": pl.String(),
        "started_at": pl.Datetime("us", "UTC"),
        "peak_at": pl.Datetime("us", "UTC"),
        "ended_at": pl.Datetime("us", "UTC"),
        "readings": pl.Int32(),
        "peak_score": pl.Float64(),
        "peak_value": pl.Float64(),
        "tier": pl.String(),
        "noticed_at": pl.Datetime("us", "UTC"),
        "verdict": pl.String(),
        "settled_by": pl.String(),
        "settled_at": pl.Datetime("us", "UTC"),
    }
)


@dataclass(frozen=True)
class Known:
    """What was found when a key was judged last: a number for each series as it was then, in order."""

    day: date
    series: npt.NDArray[np.uint64]


def due(connection: psycopg.Connection, *, judge_s: float, past_days: int) -> list[tuple[str, date]]:
    """Sensor types and days of which readings, or the `past_days` before, were staged since they were judged.

    Today's key, which goes on, is due `judge_s` after it was judged last.
    """
    return connection.execute(
        """
        with staged as (
            select
                sensor_type,
                day,
                max(refreshed_at) over (
                    partition by sensor_type
                    order by day
                    range between make_interval(days => %s) preceding and current row
                ) as refreshed_at
            from staged_keys
            where staged > 0
        )

        select
            sensor_type,
            day
        from staged
        left join judged_keys using (day, sensor_type)
        where judged_at is null
            or (
                staged.refreshed_at > judged_at
                and (
                    day < (now() at time zone 'UTC')::date
                    or judged_at <= now() - make_interval(secs => %s)
                )
            )
        order by
            sensor_type,
            day
        """,
        [past_days, judge_s],
    ).fetchall()


def clock(connection: psycopg.Connection) -> datetime:
    """Postgres' clock now, not at the transaction's begin."""
    found = connection.execute("select clock_timestamp()").fetchone()
    assert found
    now: datetime = found[0]
    return now


def known(connection: psycopg.Connection, sensor_type: str, days: Sequence[date]) -> list[Known]:
    """What is known of these keys, of those that were judged."""
    rows = connection.execute(
        "select day, series from judged_keys where sensor_type = %s and day = any(%s)", [sensor_type, list(days)]
    )
    return [Known(day, np.frombuffer(series, np.uint64)) for day, series in rows]


def episodes(connection: psycopg.Connection, sensor_type: str, days: Sequence[date]) -> pl.DataFrame:
    """All EPISODES of these keys, of both tiers."""
    columns = ", ".join(f"{name}::text" if name in ("episode_id", "settled_by") else name for name in EPISODES.names())
    rows = connection.execute(
        f"select {columns} from episodes where sensor_type = %s and day = any(%s) order by started_at, episode_id",
        [sensor_type, list(days)],
    ).fetchall()
    return pl.DataFrame(rows, EPISODES, orient="row")


def replace(
    connection: psycopg.Connection,
    found: pl.DataFrame,
    *,
    sensor_type: str,
    known: Sequence[Known],
    judged_at: datetime,
) -> None:
    """Put the batch episodes of `found`, which are EPISODES of these keys, in the place of those before.

    The online ones get the verdicts that they have in `found`. In the connection's transaction.
    """
    connection.execute("create temp table if not exists incoming_episodes (like episodes) on commit drop")
    connection.execute("truncate incoming_episodes")
    with connection.cursor().copy(f"copy incoming_episodes ({', '.join(EPISODES.names())}) from stdin") as copy:
        for row in found.iter_rows():
            copy.write_row(row)
    connection.execute(
        """
        delete from episodes
        where sensor_type = %s
            and day = any(%s)
            and tier = 'batch'
            and episode_id not in (select episode_id from incoming_episodes)
        """,
        [sensor_type, [one.day for one in known]],
    )
    columns = [name for name in EPISODES.names() if name != "episode_id"]
    connection.execute(
        f"""
        insert into episodes (episode_id, {", ".join(columns)})
        select episode_id, {", ".join(columns)} from incoming_episodes where tier = 'batch'
        on conflict (episode_id) do update set ({", ".join(columns)}) = ({", ".join(f"excluded.{c}" for c in columns)})
        """
    )
    connection.execute(
        """
        update episodes as e set
            verdict = i.verdict,
            settled_by = i.settled_by,
            settled_at = i.settled_at
        from incoming_episodes as i
        where i.tier = 'online'
            and e.episode_id = i.episode_id
            and (e.verdict, e.settled_by) is distinct from (i.verdict, i.settled_by)
        """
    )
    connection.cursor().executemany(
        """
        insert into judged_keys (day, sensor_type, judged_at, series) values (%s, %s, %s, %s)
        on conflict (day, sensor_type) do update set judged_at = excluded.judged_at, series = excluded.series
        """,
        [(one.day, sensor_type, judged_at, one.series.tobytes()) for one in known],
    )


def spans(connection: psycopg.Connection, sensor_id: str) -> list[tuple[datetime, datetime]]:
    """From when to when a sensor was abnormal, of the episodes that stand."""
    return connection.execute(
        "select started_at, ended_at from episodes where sensor_id = %s and verdict is null order by 1, 2", [sensor_id]
    ).fetchall()


@dataclass(frozen=True)
class Rate:
    """Of a sensor type: how many episodes began `lately`, and how many a day before that."""

    sensor_type: str
    lately: int
    usual_per_day: float


def rates(connection: psycopg.Connection, *, lately: timedelta, before: timedelta) -> list[Rate]:
    """How often episodes begin, by sensor type; of those that have any, and readings of the time before."""
    rows = connection.execute(
        """
        with days as (
            select
                sensor_type,
                count(*) as days
            from staged_keys
            where staged > 0
                and day >= (now() - %(lately)s - %(before)s)::date
                and day < (now() - %(lately)s)::date
            group by sensor_type
        )

        select
            sensor_type,
            count(*) filter (where started_at > now() - %(lately)s) as lately,
            count(*) filter (where started_at <= now() - %(lately)s)::float8 / days as usual_per_day
        from days
        join episodes using (sensor_type)
        where verdict is null
            and started_at > now() - %(lately)s - %(before)s
        group by
            sensor_type,
            days
        order by sensor_type
        """,
        {"lately": lately, "before": before},
    )
    return [Rate(*row) for row in rows]
