"""What a policy's file may say: versions, limits, rules of eight kinds and preferred sites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainValidator, Tag, model_validator

Word = Annotated[str, Field(strict=True, min_length=1, max_length=100, pattern=r"^\S+$")]
# What the warehouse allows; a misspelt tier would lift a limit without a word.
Tier: TypeAlias = Literal["standard", "plus", "premium"]
Outcome: TypeAlias = Literal["rejected", "pending_approval"]
Scope: TypeAlias = Literal["sensor_type", "sku", "all"]

UNLIMITED = "unlimited"
FORBIDDEN_SKUS = "customer.forbidden_skus"
# The facts that a limit may be taken from, instead of a number.
QUANTITIES = ("customer.max_quantity_per_order", "customer.max_quantity_30_days", "customer.approval_above")
LEAD_TIMES = ("product.lead_time_days",)


class Strict(BaseModel):
    """A part of the file in which every key has a meaning."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _whole(value: object, sources: tuple[str, ...]) -> object:
    if value == UNLIMITED or value in sources:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"must be a whole number, {UNLIMITED}, or {' or '.join(sources)}")


def _quantity(value: object) -> object:
    return _whole(value, QUANTITIES)


def _days(value: object) -> object:
    return _whole(value, LEAD_TIMES)


def _amount(value: object) -> object:
    if value == UNLIMITED:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        amount = Decimal(str(value))
        if amount.is_finite() and amount >= 0 and amount == round(amount, 2):
            return amount
    raise ValueError(f"must be an amount with at most two decimals, or {UNLIMITED}")


class Selector(Strict):
    """Whose orders of what an entry is for; what is left out is everybody, or everything."""

    customer: Word | None = None
    tier: Tier | None = None
    sku: Word | None = None
    sensor_type: Word | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Selector:
        for one, other in (("customer", "tier"), ("sku", "sensor_type")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"names both {one} and {other}: leave one out")
        return self


class Quantity(Selector):
    """At most so many."""

    limit: Annotated[int | str, PlainValidator(_quantity)]


class Amount(Selector):
    """For at most so much, in the file's currency."""

    limit: Annotated[Decimal | str, PlainValidator(_amount)]


class Days(Selector):
    """At least so many days from today."""

    limit: Annotated[int | str, PlainValidator(_days)]


class Forbidden(Selector):
    """Who may not buy what; at least one of both is named."""

    @model_validator(mode="after")
    def _somebody_or_something(self) -> Forbidden:
        if not self.model_fields_set:
            raise ValueError("would forbid everything to everybody: name customer, tier, sku or sensor_type")
        return self


# Told apart before they are looked at, so that what is wrong is told of the one that was meant.
ForbiddenEntry = Annotated[
    Annotated[Literal["customer.forbidden_skus"], Tag("_column")] | Annotated[Forbidden, Tag("_entry")],
    Discriminator(lambda found: "_column" if isinstance(found, str) else "_entry"),
]
Quantities = Annotated[list[Quantity], Field(min_length=1)]
Amounts = Annotated[list[Amount], Field(min_length=1)]


class Rule(Strict):
    """What every rule says of itself."""

    id: Annotated[str, Field(strict=True, pattern=r"^[A-Z]+-[0-9]+$")]
    outcome: Outcome


class UnknownProduct(Rule):
    """Applies to a product that is not in the catalogue."""

    kind: Literal["unknown_product"]
    outcome: Literal["rejected"]


class ForbiddenProduct(Rule):
    """Applies to what one of the entries forbids."""

    kind: Literal["forbidden_product"]
    forbidden: Annotated[list[ForbiddenEntry], Field(min_length=1)]


class QuantityPerOrder(Rule):
    """Applies to an order of more than the limit."""

    kind: Literal["quantity_per_order"]
    limits: Quantities


class ValuePerOrder(Rule):
    """Applies to an order for more than the limit."""

    kind: Literal["value_per_order"]
    limits: Amounts


class LeadTime(Rule):
    """Applies to an order that names a day sooner than in `limit` days."""

    kind: Literal["lead_time"]
    limits: Annotated[list[Days], Field(min_length=1)]


class ApprovalAbove(Rule):
    """Applies to an order of more than the limit, which is no limit but a reason to ask."""

    kind: Literal["approval_above"]
    outcome: Literal["pending_approval"]
    limits: Quantities


class Quantity30Days(Rule):
    """Applies when an order and those of the 30 days before come to more than the limit, counted `per` sku or so."""

    kind: Literal["quantity_30_days"]
    per: Scope
    limits: Quantities


class Value30Days(Rule):
    """Applies when an order and those of the 30 days before come to a higher value than the limit."""

    kind: Literal["value_30_days"]
    per: Scope
    limits: Amounts


AnyRule: TypeAlias = (
    UnknownProduct
    | ForbiddenProduct
    | QuantityPerOrder
    | Quantity30Days
    | ValuePerOrder
    | Value30Days
    | LeadTime
    | ApprovalAbove
)


class Approval(Strict):
    """Who may accept what waits for approval, and after how many days it has expired."""

    roles: Annotated[list[Literal["operator", "approver", "admin"]], Field(min_length=1)]
    expires_after_days: int = Field(7, strict=True, ge=1, le=365)


class PreferredSites(Strict):
    """Where orders of a region or a sensor type are best made, the best first."""

    region: Word | None = None
    sensor_type: Word | None = None
    sites: Annotated[list[Word], Field(min_length=1)]


class PolicyFile(Strict):
    """A whole policy, as it is written."""

    version: Word
    currency: Word
    approval: Approval
    rules: Annotated[list[Annotated[AnyRule, Field(discriminator="kind")]], Field(min_length=1)]
    preferred_sites: list[PreferredSites] = []

    @model_validator(mode="after")
    def _makes_sense(self) -> PolicyFile:
        wrong = list(_misplaced(self.rules))
        for rule in self.rules:
            wrong += [f"rule {rule.id}: {what}" for what in _unclear(rule)]
        for selector in _repeated((one.region, one.sensor_type) for one in self.preferred_sites):
            wrong += [f"preferred_sites: two entries are for {_named(selector)}: leave one out"]
        if wrong:
            raise ValueError("\n".join(wrong))
        return self


def _misplaced(rules: list[AnyRule]) -> Iterable[str]:
    if rules[0].kind != "unknown_product" or any(rule.kind == "unknown_product" for rule in rules[1:]):
        yield "rules: the first, and no other, must be of kind unknown_product: the others need to know the product"
    for name in _repeated(rule.id for rule in rules):
        yield f"rule {name}: two rules have this id: give one of them another"


def _unclear(rule: AnyRule) -> Iterable[str]:
    """What in a rule could be read in two ways."""
    entries: list[Quantity] | list[Amount] | list[Days] = getattr(rule, "limits", [])
    for selector in _repeated((one.customer, one.tier, one.sku, one.sensor_type) for one in entries):
        yield f"two limits are for {_named(selector)}: leave one out"
    if isinstance(rule, Quantity30Days | Value30Days):
        if rule.per != "sku" and any(one.sku for one in entries):
            yield f"a limit for one sku can't hold for what is summed per {rule.per}: say per: sku, or leave out sku"
        if rule.per == "all" and any(one.sensor_type for one in entries):
            yield "a limit for one sensor_type can't hold for what is summed per all: say per: sensor_type"


def _repeated(found: Iterable[object]) -> list[object]:
    return [one for one, times in Counter(found).items() if times > 1]


def _named(selector: object) -> str:
    assert isinstance(selector, tuple)
    return " and ".join(str(word) for word in selector if word) or "everybody and everything"
