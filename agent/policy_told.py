"""A policy's rules in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from agent.policy_file import (
    FORBIDDEN_SKUS,
    UNLIMITED,
    AnyRule,
    ApprovalAbove,
    ForbiddenProduct,
    LeadTime,
    PolicyFile,
    PreferredSites,
    Quantity30Days,
    QuantityPerOrder,
    Selector,
    UnknownProduct,
    Value30Days,
    ValuePerOrder,
)

_OUTCOMES = {"rejected": "rejected", "pending_approval": "pending approval"}
_PER = {"sensor_type": "of one sensor type", "sku": "of one sku", "all": "of any kind"}


def told(file: PolicyFile) -> list[str]:
    """The whole policy, a sentence a line; what a rule's limits are stands below it, indented."""
    lines = [
        "The first rule that applies decides; an order to which none applies is accepted.",
        "Of a rule's limits the most specific counts: a customer's before a tier's, then a sku's before a type's.",
    ]
    for rule in file.rules:
        end = "." if isinstance(rule, UnknownProduct) else ":"
        lines.append(f"{rule.id}: {_OUTCOMES[rule.outcome]} when {_when(rule)}{end}")
        lines += [f"  - {line}" for line in _limits(rule, file.currency)]
    lines.append(
        f"Who has the role {' or '.join(file.approval.roles)} may approve, but never an order of their own; "
        f"after {_days(file.approval.expires_after_days)} it has expired."
    )
    lines.append("An order is made at the customer's preferred site first, then:")
    lines += [f"  - {_preferred(one)}" for one in file.preferred_sites] or ["  - anywhere."]
    return lines


def _when(rule: AnyRule) -> str:
    match rule:
        case UnknownProduct():
            return "the product is not in the catalogue"
        case ForbiddenProduct():
            return "the customer may not buy the product"
        case QuantityPerOrder():
            return "one order is of more sensors than"
        case Quantity30Days():
            return f"the customer's sensors {_PER[rule.per]} in 30 days, with this order, are more than"
        case ValuePerOrder():
            return "one order is worth more than"
        case Value30Days():
            return f"the customer's sensors {_PER[rule.per]} in 30 days, with this order, are worth more than"
        case LeadTime():
            return "the order is wanted for a day sooner than"
        case ApprovalAbove():
            return "one order is within its limits but large, of more sensors than"


def _limits(rule: AnyRule, currency: str) -> Iterator[str]:
    match rule:
        case UnknownProduct():
            return
        case ForbiddenProduct():
            for one in rule.forbidden:
                yield f"what {FORBIDDEN_SKUS} lists." if isinstance(one, str) else f"{_what(one)} for {_who(one)}."
        case LeadTime():
            for days in rule.limits:
                limit = days.limit if isinstance(days.limit, str) else _days(days.limit)
                yield f"{_number(limit)} from today, {_for(days)}."
        case ValuePerOrder() | Value30Days():
            for amount in rule.limits:
                yield f"{_number(amount.limit)}{'' if amount.limit == UNLIMITED else f' {currency}'}, {_for(amount)}."
        case _:
            for quantity in rule.limits:
                yield f"{_number(quantity.limit)}, {_for(quantity)}."


def _number(limit: int | Decimal | str) -> str:
    if limit == UNLIMITED:
        return "no limit"
    return limit if isinstance(limit, str) else f"{limit:,}"


def _for(one: Selector) -> str:
    return f"for {_who(one)} and {_what(one)}"


def _who(one: Selector) -> str:
    if one.customer:
        return f"customer {one.customer}"
    return f"tier {one.tier}" if one.tier else "every customer"


def _what(one: Selector) -> str:
    return one.sku or (f"{one.sensor_type} sensors" if one.sensor_type else "every product")


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def _preferred(one: PreferredSites) -> str:
    where = f"in region {one.region}" if one.region else "in every region"
    return f"{_joined(one.sites)}, for {one.sensor_type or 'all'} sensors {where}."


def _joined(words: Sequence[str]) -> str:
    return ", then ".join(words)
