"""What the policy makes of an order."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.policy import Policy, compiled, load, may_approve, preferred_sites
from agent.policy_file import PolicyFile
from tests.policies import ACME, OUR_OWN, PRODUCTS, TODAY, UNKNOWN, added, bought, of, written
from warehouse.catalogue import Bought, Usage

# The same file, read another time.
AGAIN = load()
ORDERS = st.lists(st.tuples(st.sampled_from(sorted(PRODUCTS)), st.integers(1, 1500)), max_size=30)


def policy(*rules: dict[str, Any], **more: object) -> Policy:
    """A policy of these rules, after the one for unknown products."""
    head = {"version": "test-1", "currency": "EUR", "approval": {"roles": ["approver"]}}
    return compiled(PolicyFile.model_validate({**head, "rules": [UNKNOWN, *rules], **more}))


def rule(kind: str, *limits: dict[str, object], name: str = "X-1", **more: object) -> dict[str, Any]:
    return {"id": name, "kind": kind, "outcome": "pending_approval", "limits": list(limits), **more}


def test_an_order_within_every_limit_is_accepted_without_a_reason() -> None:
    assert (of(500).status, of(500).reason, of(500).rule) == ("accepted", None, "OK")


def test_every_decision_names_the_policys_version() -> None:
    assert {of(1).policy_version, of(501).policy_version, of(1, "NOPE").policy_version} == {"2026-11-2"}


def test_an_unknown_product_is_rejected_by_name() -> None:
    decision = of(1, "NOPE")
    assert (decision.status, decision.reason) == ("rejected", "rejected: there is no product NOPE, rule S-1")


def test_a_forbidden_product_is_rejected_however_few_are_ordered() -> None:
    decision = of(1, "VIB-100")
    assert (decision.status, decision.reason) == ("rejected", "rejected: acme may not buy VIB-100, rule S-2")


def test_more_than_an_order_may_hold_waits_for_approval() -> None:
    decision = of(1001)
    assert decision.status == "pending_approval"
    assert decision.reason == "pending approval: 1,001 of 1,000 temperature sensors at once, rule Q-1"


def test_what_was_ordered_in_30_days_counts_with_this_order() -> None:
    assert of(1, usage=bought(TMP_100=4999)).status == "accepted"
    decision = of(2, usage=bought(TMP_100=4999))
    assert decision.status == "pending_approval"
    assert decision.reason == "pending approval: 5,001 of 5,000 temperature sensors in 30 days, rule Q-30"


def test_products_of_one_sensor_type_share_its_30_day_limit_and_others_do_not() -> None:
    assert of(2, usage=bought(TMP_200=4999)).rule == "Q-30"
    assert of(2, usage=bought(PRS_100=4999)).status == "accepted"


def test_a_large_order_within_the_limits_waits_for_approval() -> None:
    assert of(501).reason == "pending approval: 501 temperature sensors, above 500, rule A-1"


def test_an_order_worth_too_much_waits_for_approval() -> None:
    assert of(10, policy=policy(rule("value_per_order", {"limit": 480}))).status == "accepted"
    decision = of(11, policy=policy(rule("value_per_order", {"limit": 480.0})))
    assert decision.reason == "pending approval: 528.00 of 480.00 EUR at once, rule X-1"


@pytest.mark.parametrize(
    ("per", "told"),
    [
        ("all", "6,488.00 of 1,000.00 EUR in 30 days"),
        ("sensor_type", "1,120.00 of 1,000.00 EUR for pressure sensors in 30 days"),
        ("sku", "1,120.00 of 1,000.00 EUR for PRS-100 sensors in 30 days"),
    ],
)
def test_values_of_30_days_are_summed_by_what_the_rule_names(per: str, told: str) -> None:
    found = of(1, "PRS-100", policy=policy(rule("value_30_days", {"limit": 1000}, per=per)), usage=bought_widely())
    assert found.reason == f"pending approval: {told}, rule X-1"


def bought_widely() -> Usage:
    """9 × 112 + 100 × 48 + 568 for what has left the catalogue: 6,376."""
    return {**bought(PRS_100=9, TMP_100=100), "OLD-1": Bought(3, Decimal(568))}


def test_quantities_are_summed_by_what_the_rule_names() -> None:
    limit = {"limit": 10}
    by_sku = of(2, policy=policy(rule("quantity_30_days", limit, per="sku")), usage=bought(TMP_100=9, TMP_200=50))
    of_all = of(2, policy=policy(rule("quantity_30_days", limit, per="all")), usage=bought(TMP_100=9, PRS_100=50))
    assert by_sku.reason == "pending approval: 11 of 10 TMP-100 sensors in 30 days, rule X-1"
    assert of_all.reason == "pending approval: 61 of 10 sensors in 30 days, rule X-1"


def test_an_order_wanted_sooner_than_it_can_be_made_waits_for_approval() -> None:
    assert of(1, requested_for=TODAY + timedelta(days=7)).status == "accepted"
    decision = of(1, requested_for=TODAY + timedelta(days=6))
    assert decision.reason == "pending approval: TMP-100 takes 7 days from 2026-11-25, wanted for 2026-12-01, rule L-1"
    assert of(1, requested_for=TODAY - timedelta(days=900)).rule == "L-1"


def test_an_order_that_names_no_day_is_never_too_soon() -> None:
    assert of(1, requested_for=None).status == "accepted"


def test_who_orders_goes_before_what_is_ordered_and_both_before_everything() -> None:
    entries = [
        {"limit": 1},
        {"sensor_type": "temperature", "limit": 2},
        {"sku": "TMP-100", "limit": 3},
        {"tier": "plus", "limit": 4},
        {"tier": "plus", "sensor_type": "temperature", "limit": 5},
        {"tier": "plus", "sku": "TMP-100", "limit": 6},
        {"customer": "acme", "limit": 7},
        {"customer": "acme", "sensor_type": "temperature", "limit": 8},
        {"customer": "acme", "sku": "TMP-100", "limit": 9},
    ]
    for known in range(1, len(entries) + 1):
        given_now = entries[:known]
        # The order within a rule says nothing.
        random.Random(known).shuffle(given_now)
        some = policy(rule("quantity_per_order", *given_now))
        assert [of(known, policy=some).status, of(known + 1, policy=some).status] == ["accepted", "pending_approval"]


def test_a_limit_for_others_is_none() -> None:
    some = policy(rule("quantity_per_order", {"customer": "globex", "limit": 1}, {"tier": "standard", "limit": 1}))
    assert of(9999, policy=some).status == "accepted"


def test_an_entry_can_lift_a_limit() -> None:
    some = policy(rule("quantity_per_order", {"limit": 1}, {"customer": "acme", "limit": "unlimited"}))
    assert of(9999, policy=some).status == "accepted"
    assert of(2, policy=some, customer=replace(ACME, customer_id="globex")).rule == "X-1"


def test_the_file_forbids_by_customer_tier_and_product() -> None:
    def may_buy(*forbidden: object) -> bool:
        some = policy({"id": "S-2", "kind": "forbidden_product", "outcome": "rejected", "forbidden": list(forbidden)})
        return of(1, policy=some).status == "accepted"

    assert not may_buy({"sku": "TMP-100"})
    assert not may_buy({"tier": "plus"})
    assert not may_buy({"tier": "standard"}, {"customer": "acme", "sensor_type": "temperature"})
    assert may_buy({"tier": "standard"}, {"customer": "acme", "sku": "TMP-200"}, "customer.forbidden_skus")


def test_a_rule_can_leave_what_it_forbids_to_an_approver() -> None:
    forbidding = {
        "id": "S-3",
        "kind": "forbidden_product",
        "outcome": "pending_approval",
        "forbidden": [{"sku": "TMP-100"}],
    }
    told = of(1, policy=policy(forbidding)).reason
    assert told == "pending approval: acme may not buy TMP-100 without approval, rule S-3"


def test_two_rules_of_a_kind_can_ask_first_and_refuse_later() -> None:
    some = policy(
        rule("quantity_per_order", {"limit": 100}, name="Q-9", outcome="rejected"),
        rule("quantity_per_order", {"limit": 10}, name="Q-1"),
    )
    assert [of(quantity, policy=some).status for quantity in (10, 11, 101)] == [
        "accepted",
        "pending_approval",
        "rejected",
    ]


def test_the_first_rule_in_the_file_that_applies_decides() -> None:
    rules = [
        rule("quantity_per_order", {"limit": 1}, name="Q-1"),
        rule("quantity_30_days", {"limit": 1}, name="Q-30", per="all"),
        rule("value_per_order", {"limit": 1}, name="V-1", outcome="rejected"),
        rule("lead_time", {"limit": 30}, name="L-1"),
        rule("approval_above", {"limit": 1}, name="A-1"),
        rule("approval_above", {"limit": 99}, name="A-99"),
    ]
    for ordered in permutations(rules):
        first = next(one["id"] for one in ordered if one["id"] != "A-99")
        assert of(2, policy=policy(*ordered), requested_for=TODAY).rule == first


@given(ORDERS, st.booleans())
def test_no_sequence_of_orders_breaks_a_limit(orders: list[tuple[str, int]], waiting_counts: bool) -> None:
    usage: Usage = {}
    accepted: Usage = {}
    for sku, quantity in orders:
        decision = of(quantity, sku, usage=usage)
        if decision.status == "accepted":
            assert quantity <= ACME.approval_above
            accepted = added(accepted, sku, quantity)
        if decision.status == "accepted" or (waiting_counts and decision.status == "pending_approval"):
            usage = added(usage, sku, quantity)
    by_type: Counter[str] = Counter()
    for sku, sold in accepted.items():
        by_type[PRODUCTS[sku].sensor_type] += sold.quantity
    assert all(quantity <= ACME.max_quantity_30_days for quantity in by_type.values())
    assert sum(sold.value for sold in accepted.values()) <= 2_000_000
    assert "VIB-100" not in accepted


@given(ORDERS, st.integers(0, 4000), st.integers(0, 400_000), st.sampled_from(["all", "sensor_type", "sku"]))
def test_no_sequence_of_orders_breaks_any_other_limit(
    orders: list[tuple[str, int]], most: int, worth: int, per: str
) -> None:
    some = policy(
        rule("quantity_30_days", {"limit": most}, name="Q-30", per=per),
        rule("value_30_days", {"limit": worth}, name="V-30", per=per),
    )
    usage: Usage = {}
    for sku, quantity in orders:
        if of(quantity, sku, policy=some, usage=usage).status == "accepted":
            usage = added(usage, sku, quantity)
    quantities: Counter[str] = Counter()
    values: dict[str, Decimal] = {}
    for sku, sold in usage.items():
        group = {"all": "all", "sku": sku, "sensor_type": PRODUCTS[sku].sensor_type}[per]
        quantities[group] += sold.quantity
        values[group] = values.get(group, Decimal(0)) + sold.value
    assert all(quantity <= most for quantity in quantities.values())
    assert all(value <= worth for value in values.values())


@given(ORDERS, st.integers(-5, 40))
def test_the_same_facts_give_the_same_decision(orders: list[tuple[str, int]], days: int) -> None:
    usage: Usage = {}
    for sku, quantity in orders:
        usage = added(usage, sku, quantity)
        wanted = TODAY + timedelta(days=days)
        one = of(quantity, sku, usage=usage, requested_for=wanted)
        assert one == of(quantity, sku, policy=AGAIN, usage=dict(reversed(usage.items())), requested_for=wanted)


def test_an_order_is_made_at_the_customers_site_first_and_then_where_the_file_prefers() -> None:
    probe = PRODUCTS["TMP-100"]
    assert preferred_sites(OUR_OWN, ACME, probe) == ("dresden", "austin")
    assert preferred_sites(OUR_OWN, replace(ACME, preferred_site="austin"), probe) == ("austin", "dresden")
    assert preferred_sites(policy(), ACME, probe) == ()


def test_a_region_goes_before_a_sensor_type_where_sites_are_preferred() -> None:
    some = policy(
        preferred_sites=[
            {"sites": ["d"]},
            {"sensor_type": "temperature", "sites": ["c"]},
            {"region": "eu", "sites": ["b"]},
            {"region": "us", "sensor_type": "temperature", "sites": ["a"]},
        ]
    )
    probe, elsewhere = PRODUCTS["TMP-100"], replace(ACME, region="asia")
    assert preferred_sites(some, ACME, probe) == ("b",)
    assert preferred_sites(some, replace(ACME, region="us"), probe) == ("a",)
    assert preferred_sites(some, elsewhere, probe) == ("c",)
    assert preferred_sites(some, elsewhere, PRODUCTS["PRS-100"]) == ("d",)


def test_an_approver_may_approve_but_never_their_own_order() -> None:
    assert may_approve(OUR_OWN, ["customer", "admin"], is_orderer=False)
    assert may_approve(OUR_OWN, ["approver"], is_orderer=False)
    assert not may_approve(OUR_OWN, ["approver"], is_orderer=True)
    assert not may_approve(OUR_OWN, ["operator", "customer"], is_orderer=False)


def test_what_waits_for_approval_expires_after_a_week_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    assert OUR_OWN.approval.expires_after_days == 7
    assert load(written(tmp_path / "a.yaml", [])).approval.expires_after_days == 7
    approval = {"roles": ["admin"], "expires_after_days": 2}
    assert load(written(tmp_path / "b.yaml", [], approval=approval)).approval.expires_after_days == 2
