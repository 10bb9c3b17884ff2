"""What the dashboard shows of the warehouse: counts, rates and how late they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from warehouse.counts import counts
from warehouse.episodes import Episode, newest
from warehouse.locks import Lock

if TYPE_CHECKING:
    from warehouse.pool import Connection

RATE_BUCKET_S = 5
RATE_MINUTES = 10


@dataclass(frozen=True)
class Rate:
    """Readings loaded per second, over the `RATE_BUCKET_S` that start at `at`."""

    at: datetime
    readings_per_s: float


@dataclass(frozen=True)
class Metrics:
    """The warehouse at one moment; `next_offsets` is by topic id and partition, for whoever knows Kafka's ends.

    `freshness_s` is the median, over the last minute's slices, of the time from Kafka to the warehouse; None when
    nothing was loaded.
    """

    taken_at: datetime
    orders_by_status: dict[str, int]
    orders_last_minute: int
    orders_last_hour: int
    readings_stored: int
    readings_per_s: float
    rates: tuple[Rate, ...]
    freshness_s: float | None
    last_loaded_at: datetime | None
    draining: int
    relay_leads: bool
    dead_letters: int
    duplicates: int
    revisions: int
    anomalies_last_day: int
    anomalies: int
    episodes: tuple[Episode, ...]
    outbox_waiting: int
    outbox_oldest_s: float
    next_offsets: dict[str, dict[int, int]]


async def metrics(connection: Connection, readings_topic: str) -> Metrics:
    """Look at the warehouse once; costs a few milliseconds however many orders, episodes and readings there are."""
    offsets: dict[str, dict[int, int]] = {}
    for row in await connection.fetch("select topic_id, partition, next_offset from ledger"):
        offsets.setdefault(row["topic_id"], {})[row["partition"]] = row["next_offset"]
    totals = await connection.fetchrow(_TOTALS, readings_topic, Lock.DRAIN, Lock.RELAY)
    assert totals
    return Metrics(
        **totals,
        **vars(await counts(connection)),
        rates=await _rates(connection, readings_topic),
        episodes=await newest(connection),
        next_offsets=offsets,
    )


_TOTALS = """
with of_readings as (
    select slices.*
    from slices
    where loaded_at > now() - interval '1 minute'
        and topic_id in (select topic_id from ledger where topic = $1)
),

staged as (
    select
        coalesce(sum(duplicates), 0)::bigint as duplicates,
        coalesce(sum(revisions), 0)::bigint as revisions
    from staged_keys
),

locks as (
    select
        count(distinct pid) filter (where classid::bigint = $2::bigint) as draining,
        count(*) filter (where classid::bigint = $3::bigint) > 0 as relay_leads
    from pg_locks
    where locktype = 'advisory'
        and objsubid = 2
        and database = (select oid from pg_database where datname = current_database())
        and granted
),

waiting as (
    select
        count(*) as outbox_waiting,
        coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as outbox_oldest_s
    from outbox
    where published_at is null
)

select
    now() as taken_at,
    (select coalesce(sum(rows), 0)::bigint from ledger where topic = $1) as readings_stored,
    (select coalesce(sum(rows), 0)::float8 / 60 from of_readings) as readings_per_s,
    (
        select percentile_cont(0.5) within group (order by extract(epoch from loaded_at - newest_ingested_at))
        from of_readings
        where rows > 0
    ) as freshness_s,
    (select max(updated_at) from ledger where topic = $1) as last_loaded_at,
    locks.draining,
    locks.relay_leads,
    (select coalesce(sum(dead_letters), 0)::bigint from ledger) as dead_letters,
    staged.duplicates,
    staged.revisions,
    waiting.outbox_waiting,
    waiting.outbox_oldest_s
from staged
cross join locks
cross join waiting
"""


async def _rates(connection: Connection, readings_topic: str) -> tuple[Rate, ...]:
    # The bucket that is still filling would look like a fall; it is left out.
    rows = await connection.fetch(
        """
        with loaded as (
            select
                date_bin($2, loaded_at, timestamptz '2000-01-01') as at,
                sum(rows) as rows
            from slices
            where loaded_at > now() - $3::interval - $2
                and topic_id in (select topic_id from ledger where topic = $1)
            group by 1
        )

        select
            at,
            coalesce(loaded.rows, 0)::float8 / extract(epoch from $2)::float8 as readings_per_s
        from generate_series(
            date_bin($2, now() - $3::interval, timestamptz '2000-01-01'),
            date_bin($2, now(), timestamptz '2000-01-01') - $2,
            $2
        ) as at
        left join loaded using (at)
        order by at
        """,
        readings_topic,
        timedelta(seconds=RATE_BUCKET_S),
        timedelta(minutes=RATE_MINUTES),
    )
    return tuple(Rate(row["at"], row["readings_per_s"]) for row in rows)
