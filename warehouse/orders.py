"""Orders: each change is written with its event and its outbox row, in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from warehouse.pool import Connection


@dataclass(frozen=True)
class Customer:
    """Who orders, and what they may order without being asked."""

    customer_id: str
    tier: str
    max_quantity_per_order: int
    max_quantity_30_days: int
    approval_above: int
    forbidden_skus: tuple[str, ...]


@dataclass(frozen=True)
class Product:
    """A sensor model that can be ordered."""

    sku: str
    sensor_type: str


@dataclass(frozen=True)
class NewOrder:
    """What was asked for, and what the policy made of it."""

    customer_id: str
    sku: str
    quantity: int
    requested_for: date | None
    notes: str | None
    status: str
    reason: str | None
    policy_version: str


@dataclass(frozen=True)
class Order:
    """An order as it stands; `version` counts its events."""

    order_id: UUID
    customer_id: str
    sku: str
    quantity: int
    requested_for: date | None
    notes: str | None
    status: str
    reason: str | None
    version: int
    policy_version: str
    created_by: UUID
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class OrderEvent:
    """One step of an order's history."""

    event_id: UUID
    version: int
    type: str
    status: str
    reason: str | None
    actor: str
    occurred_at: datetime


_FIELDS = tuple(field.name for field in fields(Order))


async def lock_customer(connection: Connection, customer_id: str) -> Customer | None:
    """The customer, whose other orders now wait for this transaction: limits hold for orders that arrive together."""
    row = await connection.fetchrow(
        """
        select customer_id, tier, max_quantity_per_order, max_quantity_30_days, approval_above, forbidden_skus
        from customers
        where customer_id = $1
        for no key update
        """,
        customer_id,
    )
    return Customer(**{**row, "forbidden_skus": tuple(row["forbidden_skus"])}) if row else None


async def find_product(connection: Connection, sku: str, customer_id: str) -> tuple[Product | None, int, datetime]:
    """The product, how many of its sensor type the customer ordered in 30 days, and the time by Postgres' clock."""
    rows = await connection.fetch(
        """
        select
            p.sensor_type,
            (
                select coalesce(sum(o.quantity), 0)
                from orders as o
                join products as other using (sku)
                where o.customer_id = $2
                    and o.created_at > now() - interval '30 days'
                    and o.status not in ('rejected', 'expired', 'cancelled')
                    and other.sensor_type = p.sensor_type
            ) as ordered,
            clock_timestamp() as clock
        from (select $1::text as sku) as wanted
        left join products as p using (sku)
        """,
        sku,
        customer_id,
    )
    sensor_type, ordered, clock = rows[0]
    return Product(sku, sensor_type) if sensor_type else None, ordered, clock


async def place(
    connection: Connection, new: NewOrder, *, event_type: str, at: datetime, user_id: UUID, actor: str
) -> Order:
    """Keep a new order, its first event and the outbox row."""
    order = Order(
        order_id=uuid7(),
        customer_id=new.customer_id,
        sku=new.sku,
        quantity=new.quantity,
        requested_for=new.requested_for,
        notes=new.notes,
        status=new.status,
        reason=new.reason,
        version=1,
        policy_version=new.policy_version,
        created_by=user_id,
        created_at=at,
        updated_at=at,
    )
    await connection.execute(
        """
        insert into orders (
            order_id, customer_id, sku, quantity, requested_for, notes, status, reason, version, policy_version,
            created_by, created_at, updated_at
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        order.order_id,
        order.customer_id,
        order.sku,
        order.quantity,
        order.requested_for,
        order.notes,
        order.status,
        order.reason,
        order.version,
        order.policy_version,
        order.created_by,
        order.created_at,
        order.updated_at,
    )
    await _record(connection, order, event_type, actor)
    return order


async def lock_order(connection: Connection, order_id: UUID) -> Order | None:
    """The order, which nobody else can change until this transaction ends."""
    row = await connection.fetchrow("select * from orders where order_id = $1 for update", order_id)
    return _order(row) if row else None


async def move(
    connection: Connection, order: Order, *, status: str, reason: str | None, event_type: str, actor: str
) -> Order:
    """Bring a locked order into another state, with the event and the outbox row."""
    # Postgres' clock, read under the lock: the relay publishes an order's events in the order of these times.
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
    await _record(connection, moved, event_type, actor)
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
            and ($3::timestamptz is null or (created_at, order_id) < ($3, $4::uuid))
        order by created_at desc, order_id desc
        limit $5
        """,
        customer_id,
        status,
        created_at,
        order_id,
        limit,
    )
    return [_order(row) for row in rows]


async def history(connection: Connection, order_id: UUID) -> list[OrderEvent]:
    """What happened to the order, oldest first."""
    rows = await connection.fetch(
        """
        select event_id, version, type, status, reason, actor, occurred_at
        from order_events
        where order_id = $1
        order by version
        """,
        order_id,
    )
    return [OrderEvent(**row) for row in rows]


def _order(row: asyncpg.Record) -> Order:
    return Order(**{name: row[name] for name in _FIELDS})


async def _record(connection: Connection, order: Order, event_type: str, actor: str) -> None:
    """Write the event of the order's newest version, for its history and for the relay."""
    event_id = uuid7()
    payload = {
        "event_id": event_id,
        "order_id": order.order_id,
        "version": order.version,
        "type": event_type,
        "occurred_at": order.updated_at,
        "customer_id": order.customer_id,
        "sku": order.sku,
        "quantity": order.quantity,
        "status": order.status,
        "reason": order.reason,
        "actor": actor,
        "requested_for": order.requested_for,
        "notes": order.notes,
        "policy_version": order.policy_version,
        "created_at": order.created_at,
    }
    await connection.execute(
        """
        with event as (
            insert into order_events (event_id, order_id, version, type, status, reason, actor, occurred_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8)
        )
        insert into outbox (id, aggregatetype, aggregateid, type, payload, created_at)
        values ($1, 'order', $2::uuid::text, $4, $9, $8)
        """,
        event_id,
        order.order_id,
        order.version,
        event_type,
        order.status,
        order.reason,
        actor,
        order.updated_at,
        orjson.dumps(payload, default=str, option=orjson.OPT_UTC_Z).decode(),
    )
