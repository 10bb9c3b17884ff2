"""What drains did, in numbers that only grow, and how late they are: for whoever measures again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from warehouse.locks import Lock

if TYPE_CHECKING:
    from warehouse.pool import Connection

# A row's time is taken before its transaction ends: what is older than this is there for all to see.
_SETTLED_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class TopicTotals:
    """Of one topic, since the warehouse was made. `seconds` is by step: read, decode and load.

    `lake_commits` are those that are still told apart, and those that this process has counted.
    """

    topic: str
    slices: int
    messages: int
    rows: int
    cold: int
    dead_letters: int
    bytes: int
    seconds: Mapping[str, float]
    lake_commits: Mapping[str, int]
    loaded_at: datetime | None
    committed_at: datetime | None
    freshness_s: Mapping[float, float]


@dataclass(frozen=True)
class DataPlane:
    """All topics at one moment; offsets are by topic id and partition, those of the lake as last reported."""

    taken_at: datetime
    topics: tuple[TopicTotals, ...]
    loaded: Mapping[str, Mapping[int, int]]
    in_lake: Mapping[str, Mapping[int, int]]
    touched_keys: int
    drained_partitions: int


@dataclass
class Sums:
    """Sums over tables that only grow, of which each look reads the end alone.

    By topic: slices, bytes and the seconds of the three steps; by topic and lake table: commits.
    """

    _slices: dict[str, tuple[float, ...]] = field(default_factory=dict)
    _commits: dict[tuple[str, str], int] = field(default_factory=dict)
    _settled: datetime | None = None

    async def look(self, connection: Connection) -> tuple[dict[str, tuple[float, ...]], dict[tuple[str, str], int]]:
        """The sums as of now."""
        settled = await connection.fetchval("select now() - $1::interval", _SETTLED_AFTER)
        await self._settle(connection, settled)
        slices, commits = dict(self._slices), dict(self._commits)
        for row in await connection.fetch(_SLICES, self._settled, None):
            _add(slices, row["topic"], tuple(row)[1:])
        for row in await connection.fetch(_COMMITS, self._settled, None):
            key = (row["topic"], row["table_name"])
            commits[key] = commits.get(key, 0) + row["commits"]
        return slices, commits

    async def _settle(self, connection: Connection, until: datetime) -> None:
        slices = await connection.fetch(_SLICES, self._settled, until)
        commits = await connection.fetch(_COMMITS, self._settled, until)
        # From here on nothing fails, so that nothing is counted twice.
        for row in slices:
            _add(self._slices, row["topic"], tuple(row)[1:])
        for row in commits:
            key = (row["topic"], row["table_name"])
            self._commits[key] = self._commits.get(key, 0) + row["commits"]
        self._settled = until


async def data_plane(connection: Connection, sums: Sums) -> DataPlane:
    """Look at the warehouse once; after the first time it costs a few milliseconds."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        slices, commits = await sums.look(connection)
        freshness = {row["topic"]: {0.5: row["p50"], 0.99: row["p99"]} for row in await connection.fetch(_FRESHNESS)}
        topics = tuple(
            TopicTotals(
                topic=row["topic"],
                messages=row["messages"],
                rows=row["rows"],
                cold=row["cold"],
                dead_letters=row["dead_letters"],
                loaded_at=row["loaded_at"],
                committed_at=row["committed_at"],
                slices=int(slices.get(row["topic"], (0,))[0]),
                bytes=int(slices.get(row["topic"], (0, 0))[1]),
                seconds=dict(zip(("read", "decode", "load"), slices.get(row["topic"], (0.0,) * 5)[2:], strict=True)),
                lake_commits={table: count for (topic, table), count in commits.items() if topic == row["topic"]},
                freshness_s=freshness.get(row["topic"], {}),
            )
            for row in await connection.fetch(_TOPICS)
        )
        now = await connection.fetchrow(_NOW, Lock.DRAIN)
        assert now
        return DataPlane(
            taken_at=now["taken_at"],
            topics=topics,
            loaded=await _offsets(connection, "ledger"),
            in_lake=await _offsets(connection, "lake_marks"),
            touched_keys=now["touched_keys"],
            drained_partitions=now["drained_partitions"],
        )


def _add(sums: dict[str, tuple[float, ...]], topic: str, more: tuple[float, ...]) -> None:
    before = sums.get(topic, (0.0,) * len(more))
    sums[topic] = tuple(one + other for one, other in zip(before, more, strict=True))


async def _offsets(connection: Connection, table: str) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for row in await connection.fetch(f"select topic_id, partition, next_offset from {table}"):
        found.setdefault(row["topic_id"], {})[row["partition"]] = row["next_offset"]
    return found


_SLICES = """
select
    l.topic,
    sum(s.slices)::float8 as slices,
    sum(s.bytes)::float8 as bytes,
    sum(s.read_s) as read_s,
    sum(s.decode_s) as decode_s,
    sum(s.load_s) as load_s
from slices as s
join ledger as l using (topic_id, partition)
where s.loaded_at >= coalesce($1::timestamptz, '-infinity')
    and s.loaded_at < coalesce($2::timestamptz, 'infinity')
group by l.topic
"""

# A commit has a row for each partition.
_COMMITS = """
select
    l.topic,
    c.table_name,
    count(distinct (c.topic_id, c.version)) as commits
from lake_commits as c
join ledger as l using (topic_id, partition)
where c.committed_at >= coalesce($1::timestamptz, '-infinity')
    and c.committed_at < coalesce($2::timestamptz, 'infinity')
group by l.topic, c.table_name
"""

_TOPICS = """
select
    l.topic,
    sum(l.messages)::bigint as messages,
    sum(l.rows)::bigint as rows,
    sum(l.cold)::bigint as cold,
    sum(l.dead_letters)::bigint as dead_letters,
    max(l.updated_at) as loaded_at,
    max(m.updated_at) as committed_at
from ledger as l
left join lake_marks as m using (topic_id, partition)
group by l.topic
order by l.topic
"""

_FRESHNESS = """
select
    l.topic,
    percentile_cont(0.5) within group (order by extract(epoch from s.loaded_at - s.newest_ingested_at))::float8 as p50,
    percentile_cont(0.99) within group (order by extract(epoch from s.loaded_at - s.oldest_ingested_at))::float8 as p99
from slices as s
join ledger as l using (topic_id, partition)
where s.loaded_at > now() - interval '1 minute' and s.messages > 0 and s.oldest_ingested_at is not null
group by l.topic
"""

_NOW = """
select
    now() as taken_at,
    (select count(distinct (day, sensor_type)) from touched_keys) as touched_keys,
    (
        select count(*)
        from pg_locks
        where locktype = 'advisory'
            and objsubid = 2
            and classid::bigint = $1::bigint
            and database = (select oid from pg_database where datname = current_database())
            and granted
    ) as drained_partitions
"""
