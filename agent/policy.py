"""What the maker's policy says of a new order; the same facts always give the same decision."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.policy_file import Outcome, PolicyFile
from agent.policy_reading import OWN, read
from agent.policy_rules import Asked, Facts, Why, why
from agent.selection import Selection, selection
from warehouse.catalogue import Customer, Product, Usage

__all__ = ["Approval", "Asked", "Decision", "Policy", "compiled", "decide", "load", "may_approve", "preferred_sites"]

_BEGINNINGS: Mapping[Outcome, str] = {"rejected": "rejected", "pending_approval": "pending approval"}


@dataclass(frozen=True)
class Decision:
    """The status an order starts with, and for anything but `accepted` why; `rule` is also named in the reason."""

    status: str
    reason: str | None
    rule: str
    policy_version: str


@dataclass(frozen=True)
class Approval:
    """Who may accept what waits for approval, and after how many days nobody may any more."""

    roles: frozenset[str]
    expires_after_days: int


@dataclass(frozen=True)
class Rule:
    """A rule, ready to be asked why it applies."""

    rule: str
    outcome: Outcome
    why: Why


@dataclass(frozen=True)
class Policy:
    """Rules in the order in which they are asked; the first is the one for unknown products."""

    version: str
    rules: tuple[Rule, ...]
    approval: Approval
    sites: Selection[tuple[str, ...]]
    accepted: Decision


def load(path: Path | None = None) -> Policy:
    """The policy of a file, or the project's own.

    Raises `PolicyUnusable`, a `Misconfigured`, that names the file and the rule and tells what to mend.
    """
    return compiled(read(path or OWN))


def compiled(file: PolicyFile) -> Policy:
    """The file's rules, ready to decide."""
    return Policy(
        version=file.version,
        rules=tuple(Rule(rule.id, rule.outcome, why(rule, file.currency)) for rule in file.rules),
        approval=Approval(frozenset(file.approval.roles), file.approval.expires_after_days),
        sites=selection((entry, tuple(entry.sites)) for entry in file.preferred_sites),
        accepted=Decision("accepted", None, "OK", file.version),
    )


def decide(policy: Policy, customer: Customer, products: Mapping[str, Product], asked: Asked, usage: Usage) -> Decision:
    """Reject what can't be sold, leave to an approver what goes over a limit, accept the rest.

    `products` is the catalogue by sku; `usage` is what the customer ordered in 30 days, without this order, and
    without orders that were rejected, cancelled or expired. The first rule that applies decides.
    """
    product = products.get(asked.sku)
    if product is None:
        return _decision(policy, policy.rules[0], f"there is no product {asked.sku}")
    facts = Facts(customer, product, asked, products, usage)
    for rule in policy.rules:
        told = rule.why(facts)
        if told is not None:
            return _decision(policy, rule, told)
    return policy.accepted


def preferred_sites(policy: Policy, customer: Customer, product: Product) -> tuple[str, ...]:
    """Where the order is best made, the best first: the customer's own site, then the policy's for it."""
    sites = policy.sites.of(customer, product) or ()
    own = customer.preferred_site
    return sites if own is None else (own, *(site for site in sites if site != own))


def may_approve(policy: Policy, roles: Collection[str], *, is_orderer: bool) -> bool:
    """Whether somebody with these roles may accept or reject an order that waits; never whoever placed it."""
    return not is_orderer and not policy.approval.roles.isdisjoint(roles)


def _decision(policy: Policy, rule: Rule, told: str) -> Decision:
    return Decision(rule.outcome, f"{_BEGINNINGS[rule.outcome]}: {told}, rule {rule.rule}", rule.rule, policy.version)
