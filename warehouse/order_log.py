"""What happens to orders, written for their history and, in the outbox, for the relay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from warehouse.orders import Order
    from warehouse.pool import Connection


@dataclass(frozen=True, slots=True)
class Entry:
    """A step of an order, the order as it stands after it, and who took the step."""

    order: Order
    event_type: str
    actor: str


async def write(connection: Connection, entries: Sequence[Entry]) -> None:
    """Write the events of the orders' newest versions, in the caller's transaction."""
    ids = [uuid7() for _ in entries]
    orders = [entry.order for entry in entries]
    # Debezium's columns, so that change data capture can take the relay's place.
    await connection.execute(
        """
        with event as (
            select *
            from unnest(
                $1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::timestamptz[], $10::text[]
            ) as e (event_id, order_id, version, type, status, reason, actor, policy_version, occurred_at, payload)
        ),
        logged as (
            insert into order_events
                (event_id, order_id, version, type, status, reason, actor, policy_version, occurred_at)
            select event_id, order_id, version, type, status, reason, actor, policy_version, occurred_at
            from event
        )
        insert into outbox (id, aggregatetype, aggregateid, type, version, payload, created_at)
        select event_id, 'order', order_id::text, type, version, payload::jsonb, occurred_at
        from event
        """,
        ids,
        [order.order_id for order in orders],
        [order.version for order in orders],
        [entry.event_type for entry in entries],
        [order.status for order in orders],
        [order.reason for order in orders],
        [entry.actor for entry in entries],
        # Only the first step is the policy's; those after it are somebody's.
        [order.policy_version if order.version == 1 else None for order in orders],
        [order.updated_at for order in orders],
        [_payload(str(event_id), entry) for event_id, entry in zip(ids, entries, strict=True)],
    )


def _payload(event_id: str, entry: Entry) -> str:
    """The event as the topic of orders carries it."""
    order = entry.order
    event = {
        "event_id": event_id,
        "order_id": order.order_id,
        "version": order.version,
        "type": entry.event_type,
        "occurred_at": order.updated_at,
        "customer_id": order.customer_id,
        "sku": order.sku,
        "quantity": order.quantity,
        "status": order.status,
        "reason": order.reason,
        "actor": entry.actor,
        "requested_for": order.requested_for,
        "notes": order.notes,
        "policy_version": order.policy_version,
        "created_at": order.created_at,
    }
    return orjson.dumps(event, option=orjson.OPT_UTC_Z).decode()
