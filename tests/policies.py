"""A catalogue, customers and policies for tests of the order policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from agent.policy import Asked, Decision, Policy, decide, load
from agent.policy_reading import OWN
from warehouse.catalogue import Bought, Customer, Product, Usage

TODAY = date(2026, 11, 25)
ACME = Customer("acme", "plus", "eu", 1000, 5000, 500, ("VIB-100",), None)
PRODUCTS = {
    product.sku: product
    for product in (
        Product("TMP-100", "temperature", Decimal("48.00"), 7),
        Product("TMP-200", "temperature", Decimal("21.50"), 5),
        Product("PRS-100", "pressure", Decimal("112.00"), 14),
        Product("VIB-100", "vibration", Decimal("164.00"), 21),
    )
}
UNKNOWN = {"id": "S-1", "kind": "unknown_product", "outcome": "rejected"}
OUR_OWN = load()


def of(
    quantity: int,
    sku: str = "TMP-100",
    *,
    policy: Policy = OUR_OWN,
    customer: Customer = ACME,
    usage: Usage | None = None,
    requested_for: date | None = None,
) -> Decision:
    """What a policy makes of an order today."""
    return decide(policy, customer, PRODUCTS, Asked(sku, quantity, requested_for, TODAY), usage or {})


def bought(**quantities: int) -> Usage:
    """Usage by sku, which is written with an underscore, at the catalogue's prices."""
    found = {sku.replace("_", "-"): quantity for sku, quantity in quantities.items()}
    return {sku: Bought(quantity, PRODUCTS[sku].price * quantity) for sku, quantity in found.items()}


def added(usage: Usage, sku: str, quantity: int) -> Usage:
    """Usage once an order counts, too."""
    before = usage.get(sku, Bought())
    value = before.value + PRODUCTS[sku].price * quantity
    return {**usage, sku: replace(before, quantity=before.quantity + quantity, value=value)}


def written(path: Path, rules: list[dict[str, Any]], **more: object) -> Path:
    """A policy's file with these rules after the one for unknown products."""
    made = {"version": "test-1", "currency": "EUR", "approval": {"roles": ["approver"]}, "rules": [UNKNOWN, *rules]}
    path.write_text(yaml.safe_dump(made | more))
    return path


def own_text() -> str:
    """The project's own policy, as it is written."""
    return OWN.read_text()
