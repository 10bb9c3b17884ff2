"""What the maker's policy says of a new order; the same facts always give the same decision."""

from __future__ import annotations

from dataclasses import dataclass

from warehouse.orders import Customer, Product

POLICY_VERSION = "2026-11-1"


@dataclass(frozen=True)
class Decision:
    """The status an order starts with, and for anything but `accepted` why; `rule` is also named in the reason."""

    status: str
    reason: str | None
    rule: str
    policy_version: str = POLICY_VERSION


def decide(customer: Customer, product: Product | None, sku: str, quantity: int, ordered_in_30_days: int) -> Decision:
    """Reject what can't be sold, leave to an approver what goes over a limit, accept the rest.

    `ordered_in_30_days` is what the customer ordered of the product's sensor type, without this order; orders that
    were rejected, cancelled or expired don't count. The first rule that applies decides.
    """
    if product is None:
        return _rejected("S-1", f"there is no product {sku}")
    if sku in customer.forbidden_skus:
        return _rejected("S-2", f"{customer.customer_id} may not buy {sku}")
    if quantity > customer.max_quantity_per_order:
        return _pending(
            "Q-1", f"{quantity:,} of {customer.max_quantity_per_order:,} {product.sensor_type} sensors at once"
        )
    in_30_days = ordered_in_30_days + quantity
    if in_30_days > customer.max_quantity_30_days:
        limit = customer.max_quantity_30_days
        return _pending("Q-30", f"{in_30_days:,} of {limit:,} {product.sensor_type} sensors in 30 days")
    if quantity > customer.approval_above:
        return _pending("A-1", f"{quantity:,} {product.sensor_type} sensors, above {customer.approval_above:,}")
    return Decision("accepted", None, "OK")


def _rejected(rule: str, why: str) -> Decision:
    return Decision("rejected", f"rejected: {why}, rule {rule}", rule)


def _pending(rule: str, why: str) -> Decision:
    return Decision("pending_approval", f"pending approval: {why}, rule {rule}", rule)
