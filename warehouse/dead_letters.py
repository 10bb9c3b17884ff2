"""Dead letters: found, counted by reason, and where they were replayed to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from sensorhouse.errors import NotFound


@dataclass(frozen=True)
class Wanted:
    """Which dead letters: those that match everything that is given; `reason` is a part of it."""

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    index: int | None = None
    reason: str | None = None
    since: datetime | None = None
    replayed: bool | None = None


@dataclass(frozen=True)
class DeadLetter:
    """One dead letter but for its payload; `replayed_to` is where it went last, as partition and offset."""

    topic_id: str
    topic: str
    partition: int
    offset: int
    index: int
    reason: str
    ingested_at: datetime
    content_type: str | None
    key: bytes | None
    upload_id: str | None
    size: int | None
    replays: int
    replayed_at: datetime | None
    replayed_to: tuple[int, int] | None

    @property
    def position(self) -> str:
        """Where it came from, as a replay's header says it."""
        return f"{self.topic_id}/{self.partition}/{self.offset}/{self.index}"


@dataclass(frozen=True)
class Replay:
    """One dead letter published again, and where it is now."""

    letter: DeadLetter
    new_topic_id: str
    new_partition: int
    new_offset: int


@dataclass(frozen=True)
class ReasonCount:
    """How often dead letters of a topic have one reason: in the last day, and ever."""

    topic: str
    reason: str
    last_day: int
    ever: int


@dataclass(frozen=True)
class Share:
    """Dead letters among all that was decoded."""

    dead: int
    decoded: int

    @property
    def of_all(self) -> float:
        """From 0 to 1; 0 where nothing was decoded."""
        return self.dead / self.decoded if self.decoded else 0.0


def find(connection: psycopg.Connection, wanted: Wanted, *, limit: int | None = None) -> list[DeadLetter]:
    """The dead letters that are wanted, the newest first."""
    rows = connection.execute(
        """
        select
            d.topic_id, d.topic, d.partition, d."offset", d.index, d.reason, d.ingested_at,
            d.content_type, d.key, d.upload_id, octet_length(d.payload),
            r.replays, r.replayed_at, r.new_partition, r.new_offset
        from dead_letters as d
        cross join lateral (
            select
                count(*) as replays,
                max(replayed_at) as replayed_at,
                (array_agg(new_partition order by replayed_at desc))[1] as new_partition,
                (array_agg(new_offset order by replayed_at desc))[1] as new_offset
            from replays as r
            where (r.topic_id, r.partition, r."offset", r.index) = (d.topic_id, d.partition, d."offset", d.index)
        ) as r
        where (%(topic)s::text is null or d.topic = %(topic)s)
            and (%(partition)s::integer is null or d.partition = %(partition)s)
            and (%(offset)s::bigint is null or d."offset" = %(offset)s)
            and (%(index)s::integer is null or d.index = %(index)s)
            and (%(reason)s::text is null or position(lower(%(reason)s) in lower(d.reason)) > 0)
            and (%(since)s::timestamptz is null or d.ingested_at >= %(since)s)
            and (%(replayed)s::boolean is null or (r.replays > 0) = %(replayed)s)
        order by d.ingested_at desc, d.topic, d.partition, d."offset" desc, d.index desc
        limit %(limit)s
        """,
        {**vars(wanted), "limit": limit},
    )
    return [DeadLetter(*(*told, None if to is None else (to, offset))) for *told, to, offset in rows]


def payload(connection: psycopg.Connection, letter: DeadLetter) -> bytes:
    """What a dead letter holds; raises `NotFound` when that was not kept."""
    found = connection.execute(
        """
        select payload from dead_letters
        where (topic_id, partition, "offset", index) = (%s, %s, %s, %s)
        """,
        [letter.topic_id, letter.partition, letter.offset, letter.index],
    ).fetchone()
    if not found or found[0] is None:
        raise NotFound(f"the bytes of {letter.position} were not kept")
    return bytes(found[0])


def note_replays(connection: psycopg.Connection, replays: Sequence[Replay], *, replayed_by: str) -> None:
    """Remember where dead letters were published again."""
    connection.cursor().executemany(
        """
        insert into replays (
            topic_id, partition, "offset", index, replayed_by, new_topic_id, new_partition, new_offset
        )
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        on conflict do nothing
        """,
        [
            (
                *(one.letter.topic_id, one.letter.partition, one.letter.offset, one.letter.index),
                *(replayed_by, one.new_topic_id, one.new_partition, one.new_offset),
            )
            for one in replays
        ],
    )


def by_reason(connection: psycopg.Connection, *, limit: int = 20) -> list[ReasonCount]:
    """The commonest reasons, those of the last day first."""
    rows = connection.execute(
        """
        select
            topic,
            reason,
            count(*) filter (where ingested_at > now() - interval '1 day') as last_day,
            count(*) as ever
        from dead_letters
        group by topic, reason
        order by last_day desc, ever desc, topic, reason
        limit %s
        """,
        [limit],
    )
    return [ReasonCount(*row) for row in rows]


def share(connection: psycopg.Connection, topic_id: str, *, since: timedelta, until: timedelta = timedelta()) -> Share:
    """A topic's dead letters among all that was loaded between two times, told as how long ago."""
    found = connection.execute(
        """
        select coalesce(sum(dead_letters), 0)::bigint, coalesce(sum(rows + dead_letters), 0)::bigint
        from slices
        where topic_id = %s and loaded_at >= now() - %s::interval and loaded_at <= now() - %s::interval
        """,
        [topic_id, since, until],
    ).fetchone()
    assert found
    return Share(*found)
