"""Who orders and what can be ordered: the facts about both that policy decides by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Customer:
    """Who orders, and what they may order without being asked."""

    customer_id: str
    tier: str
    region: str
    max_quantity_per_order: int
    max_quantity_30_days: int
    approval_above: int
    forbidden_skus: tuple[str, ...]
    preferred_site: str | None


@dataclass(frozen=True)
class Product:
    """A sensor model that can be ordered; `price` is for one, in the catalogue's currency."""

    sku: str
    sensor_type: str
    price: Decimal
    lead_time_days: int


@dataclass(frozen=True)
class Bought:
    """How many of a product a customer ordered in a window, and for how much."""

    quantity: int = 0
    value: Decimal = Decimal(0)


# By sku: what a customer ordered in the last 30 days, without what was rejected, cancelled or has expired.
Usage = Mapping[str, Bought]
