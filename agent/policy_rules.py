"""The kinds of rules: for each, whether it applies to an order, and why, in words for the customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from agent import policy_file
from agent.policy_file import FORBIDDEN_SKUS, UNLIMITED, AnyRule, Scope
from agent.selection import selection
from warehouse.catalogue import Customer, Product, Usage


@dataclass(frozen=True)
class Asked:
    """What is ordered, on which day; `requested_for` is null when no day is asked for."""

    sku: str
    quantity: int
    requested_for: date | None
    today: date


# A tuple: made for every order, in a third of the time that a frozen dataclass takes.
class Facts(NamedTuple):
    """All that a rule may look at; `products` is the whole catalogue by sku, by which usage is summed."""

    customer: Customer
    product: Product
    asked: Asked
    products: Mapping[str, Product]
    usage: Usage


Why: TypeAlias = Callable[[Facts], str | None]
_Limit: TypeAlias = Callable[[Facts], "int | Decimal | None"]


def why(rule: AnyRule, currency: str) -> Why:
    """What tells why the rule applies to an order, or null when it doesn't."""
    match rule:
        case policy_file.UnknownProduct():
            return lambda _: None
        case policy_file.ForbiddenProduct():
            return _forbidden(rule)
        case policy_file.QuantityPerOrder():
            return _quantity_per_order(_limit(rule.limits))
        case policy_file.Quantity30Days():
            return _quantity_30_days(_limit(rule.limits), rule.per)
        case policy_file.ValuePerOrder():
            return _value_per_order(_limit(rule.limits), currency)
        case policy_file.Value30Days():
            return _value_30_days(_limit(rule.limits), rule.per, currency)
        case policy_file.LeadTime():
            return _lead_time(_limit(rule.limits))
        case policy_file.ApprovalAbove():
            return _approval_above(_limit(rule.limits))


def _limit(entries: Sequence[policy_file.Quantity | policy_file.Amount | policy_file.Days]) -> _Limit:
    """The limit that counts for an order: the most specific entry's number, or the fact that it names."""
    limits = selection((entry, _read(entry.limit)) for entry in entries)

    def limit(facts: Facts) -> int | Decimal | None:
        found = limits.of(facts.customer, facts.product)
        return found(facts) if found else None

    return limit


def _read(limit: int | Decimal | str) -> _Limit:
    if isinstance(limit, str):
        return attrgetter(limit) if limit != UNLIMITED else lambda _: None
    return lambda _: limit


def _forbidden(rule: policy_file.ForbiddenProduct) -> Why:
    by_row = FORBIDDEN_SKUS in rule.forbidden
    by_file = selection((entry, True) for entry in rule.forbidden if not isinstance(entry, str))
    unasked = " without approval" if rule.outcome == "pending_approval" else ""

    def told(facts: Facts) -> str | None:
        customer, product = facts.customer, facts.product
        if (by_row and product.sku in customer.forbidden_skus) or by_file.of(customer, product):
            return f"{customer.customer_id} may not buy {product.sku}{unasked}"
        return None

    return told


def _quantity_per_order(limit: _Limit) -> Why:
    def told(facts: Facts) -> str | None:
        most, quantity = limit(facts), facts.asked.quantity
        if most is None or quantity <= most:
            return None
        return f"{quantity:,} of {most:,} {facts.product.sensor_type} sensors at once"

    return told


def _quantity_30_days(limit: _Limit, per: Scope) -> Why:
    def told(facts: Facts) -> str | None:
        most = limit(facts)
        if most is None:
            return None
        quantity = facts.asked.quantity + sum(facts.usage[sku].quantity for sku in _in_scope(facts, per))
        if quantity <= most:
            return None
        return f"{quantity:,} of {most:,} {_sensors(facts.product, per)} in 30 days"

    return told


def _value_per_order(limit: _Limit, currency: str) -> Why:
    def told(facts: Facts) -> str | None:
        most = limit(facts)
        if most is None:
            return None
        value = facts.product.price * facts.asked.quantity
        return f"{value:,.2f} of {most:,.2f} {currency} at once" if value > most else None

    return told


def _value_30_days(limit: _Limit, per: Scope, currency: str) -> Why:
    def told(facts: Facts) -> str | None:
        most = limit(facts)
        if most is None:
            return None
        before = sum((facts.usage[sku].value for sku in _in_scope(facts, per)), Decimal(0))
        value = facts.product.price * facts.asked.quantity + before
        if value <= most:
            return None
        for_what = "" if per == "all" else f" for {_sensors(facts.product, per)}"
        return f"{value:,.2f} of {most:,.2f} {currency}{for_what} in 30 days"

    return told


def _lead_time(limit: _Limit) -> Why:
    def told(facts: Facts) -> str | None:
        wanted, today = facts.asked.requested_for, facts.asked.today
        if wanted is None:
            return None
        days = limit(facts)
        if days is None or (wanted - today).days >= days:
            return None
        takes = "1 day" if days == 1 else f"{days:,} days"
        return f"{facts.product.sku} takes {takes} from {today}, wanted for {wanted}"

    return told


def _approval_above(limit: _Limit) -> Why:
    def told(facts: Facts) -> str | None:
        most, quantity = limit(facts), facts.asked.quantity
        if most is None or quantity <= most:
            return None
        return f"{quantity:,} {facts.product.sensor_type} sensors, above {most:,}"

    return told


def _in_scope(facts: Facts, per: Scope) -> list[str]:
    """The skus whose usage is summed with this order; what has left the catalogue counts for `all` only."""
    if per == "all":
        return list(facts.usage)
    if per == "sku":
        return [facts.product.sku] if facts.product.sku in facts.usage else []
    products, sensor_type = facts.products, facts.product.sensor_type
    return [sku for sku in facts.usage if sku in products and products[sku].sensor_type == sensor_type]


def _sensors(product: Product, per: Scope) -> str:
    return {"all": "sensors", "sku": f"{product.sku} sensors", "sensor_type": f"{product.sensor_type} sensors"}[per]
