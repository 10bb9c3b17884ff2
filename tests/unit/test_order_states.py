"""How orders move, and who moves them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from agent import order_states, policy
from agent.order_states import EVENTS, NEXT, Actor
from sensorhouse.errors import Conflict, Forbidden
from warehouse.accounts import ROLES
from warehouse.orders import Order

ADA, PAUL = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
POLICY = policy.load()
check = partial(order_states.check, POLICY, now=NOW)
VERSIONS = Path(__file__).parents[2] / "warehouse" / "migrations" / "versions"
BEFORE_PRODUCTION = {"received", "pending_approval", "accepted", "routed"}


def order(status: str) -> Order:
    approve_by = NOW + timedelta(days=7)
    return Order(
        *(UUID(int=9), "acme", "TMP-100", 1, Decimal(48), None, None, status, None, approve_by, 1, "p", ADA, NOW, NOW)
    )


def test_every_state_that_can_be_reached_is_a_state_with_an_event() -> None:
    reached = {state for states in NEXT.values() for state in states}
    assert reached <= NEXT.keys()
    assert reached - EVENTS.keys() == {"pending_approval"}


def test_an_order_can_be_cancelled_exactly_before_production() -> None:
    assert {state for state, following in NEXT.items() if "cancelled" in following} == BEFORE_PRODUCTION


@pytest.mark.parametrize("state", NEXT)
def test_a_customer_cancels_before_production_and_never_after(state: str) -> None:
    ada = Actor(ADA, ["customer"])
    if state in BEFORE_PRODUCTION:
        check(order(state), "cancelled", ada)
    else:
        with pytest.raises(Conflict):
            check(order(state), "cancelled", ada)


def test_an_approver_decides_what_somebody_else_ordered() -> None:
    check(order("pending_approval"), "accepted", Actor(PAUL, ["approver"]))
    check(order("pending_approval"), "rejected", Actor(PAUL, ["approver"]))


@pytest.mark.parametrize("role", ["approver", "admin"])
def test_nobody_approves_what_they_ordered_themselves(role: str) -> None:
    with pytest.raises(Forbidden, match="someone other"):
        check(order("pending_approval"), "accepted", Actor(ADA, [role]))


def test_an_operator_moves_production_but_does_not_approve() -> None:
    olivia = Actor(PAUL, ["operator"])
    for now, then in [("accepted", "routed"), ("routed", "in_production"), ("in_test", "shipped")]:
        check(order(now), then, olivia)
    with pytest.raises(Forbidden):
        check(order("pending_approval"), "accepted", olivia)


def test_a_forbidden_step_is_answered_with_what_is_possible() -> None:
    with pytest.raises(Conflict, match="it can become in_production or cancelled, not delivered"):
        check(order("routed"), "delivered", Actor(PAUL, ["operator"]))


@pytest.mark.parametrize("status", ["received", "pending_approval"])
def test_what_only_the_policy_decides_is_open_to_no_role(status: str) -> None:
    with pytest.raises(Forbidden):
        check(order("received"), status, Actor(PAUL, ROLES))


@pytest.mark.parametrize("status", ["accepted", "rejected"])
def test_what_waited_too_long_is_no_longer_decided(status: str) -> None:
    paul, late = Actor(PAUL, ["approver"]), NOW + timedelta(days=7)
    with pytest.raises(Conflict, match="has expired"):
        order_states.check(POLICY, order("pending_approval"), status, paul, now=late)


def test_the_database_lets_orders_move_as_the_code_does() -> None:
    sql = (VERSIONS / "0007_orders_by_the_batch.sql").read_text()
    table = sql[sql.index("insert into order_transitions") : sql.index("create function guard_order")]
    pairs = set(re.findall(r"\('(\w+)', '(\w+)'\)", table))
    assert pairs == {(state, following) for state, all_following in NEXT.items() for following in all_following}
