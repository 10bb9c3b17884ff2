"""Orders as they stand, and one order's next step: written with its event and its outbox row."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from warehouse import order_log

if TYPE_CHECKING:
    from warehouse.pool import Connection


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands; `version` counts its events, `value` is in the catalogue's currency."""

    order_id: UUID
    customer_id: str
    sku: str
    quantity: int
    value: Decimal
    requested_for: date | None
    notes: str | None
    status: str
    reason: str | None
    approve_by: datetime | None
    version: int
    policy_version: str
    created_by: UUID
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class OrderEvent:
    """One step of an order's history; `policy_version` where the policy decided."""

    event_id: UUID
    version: int
    type: str
    status: str
    reason: str | None
    actor: str
    policy_version: str | None
    occurred_at: datetime


COLUMNS = tuple(field.name for field in fields(Order))


async def lock_order(connection: Connection, order_id: UUID) -> Order | None:
    """The order, which nobody else can change until this transaction ends."""
    row = await connection.fetchrow("select * from orders where order_id = $1 for update", order_id)
    return _order(row) if row else None


async def lock_overdue(connection: Connection, limit: int) -> list[Order]:
    """Orders that nobody approved in time, locked; those that others have locked are left out."""
    rows = await connection.fetch(
        """
        select *
        from orders
        where status = 'pending_approval' and approve_by < clock_timestamp()
        order by approve_by
        limit $1
        for update skip locked
        """,
        limit,
    )
    return [_order(row) for row in rows]


async def move(
    connection: Connection, order: Order, *, status: str, reason: str | None, event_type: str, actor: str
) -> Order:
    """Bring a locked order into another state, with the event and the outbox row."""
    # Postgres' clock, read under the lock: an order's events are told in the order of these times.
    rows = await connection.fetch(
        """
        update orders
        set status = $2, reason = $3, version = version + 1, updated_at = clock_timestamp()
        where order_id = $1
        returning *
        """,
        order.order_id,
        status,
        reason,
    )
    moved = _order(rows[0])
    await order_log.write(connection, [order_log.Entry(moved, event_type, actor)])
    return moved


async def find_order(connection: Connection, order_id: UUID) -> Order | None:
    """The order of that id."""
    row = await connection.fetchrow("select * from orders where order_id = $1", order_id)
    return _order(row) if row else None


async def list_orders(
    connection: Connection,
    *,
    customer_id: str | None,
    status: str | None,
    sku: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Order]:
    """The newest orders first; `after` is the last one of the page before."""
    created_at, order_id = after or (None, None)
    rows = await connection.fetch(
        """
        select *
        from orders
        where ($1::text is null or customer_id = $1)
            and ($2::text is null or status = $2)
            and ($3::text is null or sku = $3)
            and ($4::timestamptz is null or (created_at, order_id) < ($4, $5::uuid))
        order by created_at desc, order_id desc
        limit $6
        """,
        customer_id,
        status,
        sku,
        created_at,
        order_id,
        limit,
    )
    return [_order(row) for row in rows]


async def history(connection: Connection, order_id: UUID) -> list[OrderEvent]:
    """What happened to the order, oldest first."""
    rows = await connection.fetch(
        """
        select event_id, version, type, status, reason, actor, policy_version, occurred_at
        from order_events
        where order_id = $1
        order by version
        """,
        order_id,
    )
    return [OrderEvent(**row) for row in rows]


def _order(row: asyncpg.Record) -> Order:
    return Order(**{name: row[name] for name in COLUMNS})
