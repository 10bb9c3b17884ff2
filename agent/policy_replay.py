"""Past orders decided again: what a policy would have made of each, on the day on which it was placed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from agent.policy import Asked, Decision, Policy, decide
from warehouse.catalogue import Bought, Customer, Product, Usage
from warehouse.past_orders import PastOrder

WINDOW = timedelta(days=30)
_UNCOUNTED = frozenset({"rejected", "expired", "cancelled"})


@dataclass(frozen=True)
class Replayed:
    """A past order, by which rule it was decided then, and what it would be now."""

    order: PastOrder
    was_by: str
    would_be: Decision

    @property
    def differs(self) -> bool:
        """Whether it would have another status, or the same by another rule."""
        return (self.order.first_status, self.was_by) != (self.would_be.status, self.would_be.rule)


@dataclass
class _Window:
    """What one customer ordered in the 30 days before the newest order, oldest first."""

    orders: deque[PastOrder] = field(default_factory=deque)

    def usage(self, products: Mapping[str, Product], at: datetime) -> Usage:
        while self.orders and self.orders[0].created_at <= at - WINDOW:
            self.orders.popleft()
        quantities: dict[str, int] = {}
        for order in self.orders:
            quantities[order.sku] = quantities.get(order.sku, 0) + order.quantity
        return {sku: Bought(quantity, _value(products.get(sku), quantity)) for sku, quantity in quantities.items()}


def replay(
    policy: Policy,
    customers: Mapping[str, Customer],
    products: Mapping[str, Product],
    orders: Iterable[PastOrder],
) -> Iterator[Replayed]:
    """Decide orders again, in the order in which they were placed, with the customers and prices of today.

    What counts of the 30 days before an order is what has not been rejected, cancelled or expired by now.
    """
    windows: dict[str, _Window] = {}
    for order in orders:
        window = windows.setdefault(order.customer_id, _Window())
        asked = Asked(order.sku, order.quantity, order.requested_for, order.created_at.astimezone(UTC).date())
        usage = window.usage(products, order.created_at)
        yield Replayed(order, _rule(order), decide(policy, customers[order.customer_id], products, asked, usage))
        if order.status not in _UNCOUNTED:
            window.orders.append(order)


def _rule(order: PastOrder) -> str:
    """The rule that an order's first reason names; `OK` for one that needed no reason."""
    if order.first_reason is None:
        return "OK"
    named = re.search(r", rule (\S+)$", order.first_reason)
    return named[1] if named else "?"


def _value(product: Product | None, quantity: int) -> Decimal:
    return product.price * quantity if product else Decimal(0)
