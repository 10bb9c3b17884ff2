"""What the policy makes of an order."""

from __future__ import annotations

from agent.policy import Decision, decide
from warehouse.orders import Customer, Product

ACME = Customer("acme", "plus", 1000, 5000, 500, ("VIB-100",))
PROBE = Product("TMP-100", "temperature")


def of(quantity: int, *, ordered: int = 0, product: Product | None = PROBE, sku: str = "TMP-100") -> Decision:
    return decide(ACME, product, sku, quantity, ordered)


def test_an_order_within_every_limit_is_accepted_without_a_reason() -> None:
    assert (of(500).status, of(500).reason, of(500).rule) == ("accepted", None, "OK")


def test_an_unknown_product_is_rejected_by_name() -> None:
    decision = of(1, product=None, sku="NOPE")
    assert (decision.status, decision.reason) == ("rejected", "rejected: there is no product NOPE, rule S-1")


def test_a_forbidden_product_is_rejected_however_few_are_ordered() -> None:
    decision = of(1, product=Product("VIB-100", "vibration"), sku="VIB-100")
    assert (decision.status, decision.rule) == ("rejected", "S-2")


def test_more_than_an_order_may_hold_waits_for_approval() -> None:
    decision = of(1001)
    assert decision.status == "pending_approval"
    assert decision.reason == "pending approval: 1,001 of 1,000 temperature sensors at once, rule Q-1"


def test_what_was_ordered_in_30_days_counts_with_this_order() -> None:
    assert of(1, ordered=4999).status == "accepted"
    decision = of(2, ordered=4999)
    assert decision.status == "pending_approval"
    assert decision.reason == "pending approval: 5,001 of 5,000 temperature sensors in 30 days, rule Q-30"


def test_a_large_order_within_the_limits_waits_for_approval() -> None:
    assert (of(501).status, of(501).rule) == ("pending_approval", "A-1")


def test_the_same_facts_give_the_same_decision() -> None:
    assert of(700, ordered=10) == of(700, ordered=10)
