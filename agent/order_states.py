"""How an order may move from state to state, whoever asks for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from agent.policy import Policy, may_approve
from sensorhouse.errors import Conflict, Forbidden
from warehouse.orders import Order

NEXT = MappingProxyType(
    {
        "received": ("accepted", "pending_approval", "rejected", "cancelled"),
        "pending_approval": ("accepted", "rejected", "expired", "cancelled"),
        "accepted": ("routed", "cancelled"),
        "routed": ("in_production", "cancelled"),
        "in_production": ("in_test",),
        "in_test": ("shipped",),
        "shipped": ("delivered",),
        "delivered": (),
        "rejected": (),
        "expired": (),
        "cancelled": (),
    }
)

PLACED = "order_placed"
# The event that tells of reaching a state; placing is one event, whatever the policy makes of it.
EVENTS = MappingProxyType(
    {
        "accepted": "order_approved",
        "rejected": "order_rejected",
        "expired": "order_expired",
        "routed": "order_routed",
        "in_production": "order_production_started",
        "in_test": "order_test_started",
        "shipped": "order_shipped",
        "delivered": "order_delivered",
        "cancelled": "order_cancelled",
    }
)

_PRODUCES = frozenset({"operator", "admin"})
# Who may bring an order into a state. `received` and `pending_approval` are the policy's alone, which also names who
# may accept and reject.
_MAY = MappingProxyType(
    {
        "expired": _PRODUCES,
        "routed": _PRODUCES,
        "in_production": _PRODUCES,
        "in_test": _PRODUCES,
        "shipped": _PRODUCES,
        "delivered": _PRODUCES,
        "cancelled": frozenset({"customer", "operator", "admin"}),
    }
)


@dataclass(frozen=True)
class Actor:
    """Who wants to move an order."""

    user_id: UUID
    roles: Collection[str]


def check(policy: Policy, order: Order, status: str, actor: Actor, *, now: datetime) -> None:
    """Return if `actor` may bring `order` to `status` at this moment.

    Raises `Forbidden` when this user never may, `Conflict` when the order is not in a state for it. Whether the user
    may know of the order at all was decided before.
    """
    is_verdict = status in ("accepted", "rejected")
    if is_verdict and not may_approve(policy, actor.roles, is_orderer=order.created_by == actor.user_id):
        if may_approve(policy, actor.roles, is_orderer=False):
            raise Forbidden("an order is approved or rejected by someone other than who placed it")
        raise Forbidden(f"your role can't make an order {status}")
    if not is_verdict and not _MAY.get(status, frozenset()) & set(actor.roles):
        raise Forbidden(f"your role can't make an order {status}")
    if is_verdict and order.status == "pending_approval" and order.approve_by and order.approve_by <= now:
        raise Conflict(f"the order waited for approval until {order.approve_by:%Y-%m-%d %H:%M} UTC and has expired")
    if status not in NEXT[order.status]:
        allowed = " or ".join(NEXT[order.status]) or "nothing else"
        raise Conflict(f"the order is {order.status}; from there it can become {allowed}, not {status}")
