"""What was answered to requests that carried an Idempotency-Key, kept in the transaction that carried them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sensorhouse.errors import KeyTaken

if TYPE_CHECKING:
    from warehouse.pool import Connection


@dataclass(frozen=True, slots=True)
class Key:
    """A client's name for a request: good within one principal and route."""

    user_id: UUID
    route: str
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it went out; `fingerprint` is the SHA-256 of what was asked."""

    fingerprint: bytes
    status: int
    location: str | None
    etag: str | None
    body: bytes


async def find(connection: Connection, keys: Sequence[Key], *, since: datetime) -> Mapping[Key, Answer]:
    """The answers kept under these keys that are not older than `since`."""
    rows = await connection.fetch(
        """
        select user_id, route, key, fingerprint, status, location, etag, body
        from idempotency_keys
        join unnest($1::uuid[], $2::text[], $3::text[]) as wanted (user_id, route, key) using (user_id, route, key)
        where created_at > $4
        """,
        [key.user_id for key in keys],
        [key.route for key in keys],
        [key.name for key in keys],
        since,
    )
    return {
        Key(row["user_id"], row["route"], row["key"]): Answer(
            row["fingerprint"], row["status"], row["location"], row["etag"], row["body"]
        )
        for row in rows
    }


async def keep(connection: Connection, answers: Mapping[Key, Answer], *, at: datetime, since: datetime) -> None:
    """Keep answers, in the place of those that are older than `since`.

    Raises `KeyTaken` when another transaction has kept one under the same key meanwhile: this one is to be undone.
    """
    # Sorted: two transactions with the same keys never wait for each other crosswise.
    ordered = sorted(answers.items(), key=lambda each: (each[0].user_id, each[0].route, each[0].name))
    kept = await connection.fetch(
        """
        insert into idempotency_keys as kept
            (user_id, route, key, fingerprint, status, location, etag, body, created_at)
        select *, $9::timestamptz
        from unnest(
            $1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::smallint[], $6::text[], $7::text[], $8::bytea[]
        )
        on conflict (user_id, route, key) do update
        set (fingerprint, status, location, etag, body, created_at) = row(
            excluded.fingerprint, excluded.status, excluded.location, excluded.etag, excluded.body, excluded.created_at
        )
        where kept.created_at <= $10
        returning 1
        """,
        [key.user_id for key, _ in ordered],
        [key.route for key, _ in ordered],
        [key.name for key, _ in ordered],
        [answer.fingerprint for _, answer in ordered],
        [answer.status for _, answer in ordered],
        [answer.location for _, answer in ordered],
        [answer.etag for _, answer in ordered],
        [answer.body for _, answer in ordered],
        at,
        since,
    )
    if len(kept) < len(ordered):
        raise KeyTaken("another request with this Idempotency-Key was carried out meanwhile; send it again")


async def forget(connection: Connection, *, kept_for: timedelta, limit: int = 10_000) -> int:
    """Drop up to `limit` answers that no repeat can get any more; returns how many."""
    rows = await connection.fetch(
        """
        delete from idempotency_keys
        where ctid = any(array(
            select ctid
            from idempotency_keys
            where created_at < clock_timestamp() - $1::interval
            order by created_at
            limit $2
            for update skip locked
        ))
        returning 1
        """,
        kept_for,
        limit,
    )
    return len(rows)
