"""Policies' files: what is wrong in one, and what to mend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from agent.policy import load
from sensorhouse.errors import Misconfigured, PolicyUnusable
from tests.policies import UNKNOWN, own_text, written


def wrong(path: Path, old: str, new: str) -> str:
    """What is said of the project's own policy with something else in it."""
    assert old in own_text()
    path.write_text(own_text().replace(old, new, 1))
    with pytest.raises(Misconfigured) as raised:
        load(path)
    said = str(raised.value)
    assert str(path) in said
    return said


BAD = {
    "a misspelt key": (
        "    limits:\n      - limit: customer.max_quantity_per_order",
        "    limit: 3",
        "rule Q-1, limits: is missing",
    ),
    "and what was meant": ("currency:", "curency:", "curency: there is no such key: did you mean currency?"),
    "a strange key": ("currency:", "zzz: 1\ncurrency:", "zzz: there is no such key: take it out"),
    "no version": ('version: "2026-11-2"\n', "", "version: is missing"),
    "a version that is a date": ('"2026-11-2"', "2026-11-02", "version: must be text: put it in quotes"),
    "an unknown kind": (
        "kind: lead_time",
        "kind: leadtime",
        "rule L-1: there is no kind leadtime: say unknown_product or",
    ),
    "no kind": ("    kind: lead_time\n", "", "rule L-1: kind is missing: say"),
    "an unknown outcome": (
        "kind: lead_time\n    outcome: pending_approval",
        "kind: lead_time\n    outcome: pending",
        "rule L-1, outcome: must be 'rejected' or 'pending_approval'",
    ),
    "an outcome that asks for nothing": (
        "kind: approval_above\n    outcome: pending_approval",
        "kind: approval_above\n    outcome: rejected",
        "rule A-1, outcome: must be 'pending_approval'",
    ),
    "an id that is no id": ("id: Q-1", "id: quantity", "rule quantity, id: must be like Q-1"),
    "an id that is there twice": ("id: Q-30", "id: Q-1", "rule Q-1: two rules have this id: give one of them another"),
    "a column that is none": (
        "limit: customer.max_quantity_30_days",
        "limit: customer.max_quantity",
        "rule Q-30, limits 1, limit: must be a whole number, unlimited, or customer.max_quantity_per_order",
    ),
    "half a sensor": (
        "limit: customer.max_quantity_30_days",
        "limit: 2.5",
        "rule Q-30, limits 1, limit: must be a whole number, unlimited",
    ),
    "a negative amount": (
        "limit: 75_000",
        "limit: -1",
        "rule V-1, limits 1, limit: must be an amount with at most two",
    ),
    "an endless amount": (
        "limit: 75_000",
        "limit: .inf",
        "rule V-1, limits 1, limit: must be an amount with at most two",
    ),
    "a tier that is none": (
        "tier: plus",
        "tier: gold",
        "rule V-1, limits 2, tier: must be 'standard', 'plus' or 'premium'",
    ),
    "a limit twice": ("tier: plus", "tier: standard", "rule V-1: two limits are for standard: leave one out"),
    "a customer and a tier": ("tier: plus", "tier: plus, customer: a", "names both customer and tier: leave one out"),
    "no limits": (
        "limits:\n      - limit: customer.approval_above",
        "limits: []",
        "rule A-1, limits: must name at least one",
    ),
    "a limit for a sku of a sum of all": (
        "tier: standard, limit: 400_000",
        "sku: TMP-100, limit: 400_000",
        "rule V-30: a limit for one sku can't hold for what is summed per all: say per: sku, or leave out sku",
    ),
    "a limit for a type of a sum of all": (
        "tier: standard, limit: 400_000",
        "sensor_type: speed, limit: 400_000",
        "rule V-30: a limit for one sensor_type can't hold for what is summed per all: say per: sensor_type",
    ),
    "a scope that is none": ("per: sensor_type", "per: type", "rule Q-30, per: must be 'sensor_type', 'sku' or 'all'"),
    "forbidding all to all": ("- customer.forbidden_skus", "- {}", "rule S-2, forbidden 1: would forbid everything to"),
    "a role that may not": ("[approver, admin]", "[viewer]", "approval, roles 1: must be 'operator', 'approver' or"),
    "no day to approve": ("days: 7", "days: 0", "approval, expires_after_days: must be greater than or equal to 1"),
    "a rule before the first": (
        "rules:\n",
        "rules:\n  - {id: A-2, kind: approval_above, outcome: pending_approval, limits: [{limit: 1}]}\n",
        "rules: the first, and no other, must be of kind unknown_product: the others need to know the product",
    ),
    "a region that YAML reads as false": ("sensor_type: speed, sites", "region: NO, sites", "region: must be text"),
    "sites for one type twice": (
        "type: speed",
        "type: humidity",
        "preferred_sites: two entries are for humidity: leave",
    ),
    "a key twice": ("currency: EUR", "currency: EUR\ncurrency: USD", "is not YAML: currency is there twice"),
    "no YAML": ("currency: EUR", "currency: [", "is not YAML:"),
}


@pytest.mark.parametrize(("old", "new", "told"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_refused_and_what_to_mend_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in wrong(tmp_path / "policy.yaml", old, new)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(own_text().replace("limit: 75_000", "limit: x").replace("per: sensor_type", "per: x"))
    with pytest.raises(PolicyUnusable) as raised:
        load(path)
    assert len(str(raised.value).splitlines()) == 3


def test_a_file_that_is_not_there_or_no_policy_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnusable, match=r"nowhere\.yaml can't be used:\n  can't be read: No such file"):
        load(tmp_path / "nowhere.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(PolicyUnusable, match="must be a mapping with version, currency, approval and rules"):
        load(tmp_path / "list.yaml")


def test_the_examples_in_the_documents_can_be_used(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/policy.md").read_text()
    first, *rules = [yaml.safe_load(example) for example in re.findall(r"\| `(\{id: .+\})` \|$", page, re.MULTILINE)]
    assert {rule["kind"] for rule in rules} == set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)[1:])
    assert first == UNKNOWN
    (example,) = re.findall(r"^    limits:\n(?:    .+\n)+", page, re.MULTILINE)
    rules.append({"id": "Q-2", "kind": "quantity_per_order", "outcome": "rejected", **yaml.safe_load(example)})
    more = yaml.safe_load(re.findall(r"^    preferred_sites:\n(?:    .+\n)+", page, re.MULTILINE)[0])
    more |= yaml.safe_load(re.findall(r"^    approval:\n(?:    .+\n)+", page, re.MULTILINE)[0])
    assert len(load(written(tmp_path / "policy.yaml", rules, **more)).rules) == 9
