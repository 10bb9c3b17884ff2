"""Sequences of requests for orders, by anybody and in any order, against a model of what may come of them.

`make explore` tries more of them, and others each time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule, run_state_machine_as_test

from agent.order_states import NEXT
from api.tokens import Tokens
from sensorhouse.settings import Settings
from tests.api import Api, serving
from warehouse.accounts import create_customer, create_user
from warehouse.pool import transaction

PER_ORDER, PER_30_DAYS, UNASKED = LIMITS = (40, 100, 20)
SENSOR_TYPES = {"TMP-100": "temperature", "TMP-200": "temperature", "PRS-100": "pressure"}
ENDED = {"rejected", "expired", "cancelled"}
PRODUCTION = ("routed", "in_production", "in_test", "shipped", "delivered")

# Who there is in each sequence: roles, and whether they order for the first customer, the second or none of their own.
PEOPLE: dict[str, tuple[set[str], int | None]] = {
    "buyer": ({"customer"}, 0),
    "other": ({"customer"}, 1),
    "buying-approver": ({"customer", "approver"}, 0),
    "operator": ({"operator"}, None),
    "approver": ({"approver"}, None),
    "viewer": ({"viewer"}, None),
    "admin": ({"admin"}, None),
}
STAFF = {"operator", "approver", "viewer", "admin"}
# Who may bring an order into a state, if the order is in one from which it can go there.
MAY = {
    "accepted": {"approver", "admin"},
    "rejected": {"approver", "admin"},
    "cancelled": {"customer", "operator", "admin"},
    **{status: {"operator", "admin"} for status in ("expired", *PRODUCTION)},
}


@dataclass(frozen=True)
class People:
    """Everybody of one sequence after another, who ask the API from outside of its event loop."""

    portal: BlockingPortal
    api: Api
    tokens: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, user: str, *, if_match: str | None = None, body: Any) -> httpx.Response:
        headers = {"if-match": if_match, "authorization": f"Bearer {self.tokens[user]}"}
        return self.portal.call(partial(self.api, method, path, headers=headers, json=body))

    def enter(self, sequence: str) -> None:
        """Make the people of a sequence, and the two customers that they order for."""
        self.portal.call(self._enter, sequence)

    async def _enter(self, sequence: str) -> None:
        tokens = Tokens(self.api.settings)
        async with transaction(self.api.app.state.services.pool) as connection:
            for number in (0, 1):
                await create_customer(connection, f"{sequence}-{number}", name="", limits=LIMITS)
            for name, (roles, own) in PEOPLE.items():
                customer_id = None if own is None else f"{sequence}-{own}"
                user = await create_user(
                    connection, f"{sequence}-{name}", "", roles=sorted(roles), customer_id=customer_id
                )
                self.tokens[user.username] = tokens.make(user.user_id)


@dataclass
class Known:
    """An order as the model has it: its events, each the state that it led to and who was at work."""

    order_id: str
    customer: int
    sku: str
    quantity: int
    events: list[tuple[str, str]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.events[-1][0]

    @property
    def version(self) -> int:
        return len(self.events)

    @property
    def stands(self) -> bool:
        return self.status not in ENDED


class Sequence(RuleBasedStateMachine):
    """Two new customers with small limits, and everybody who has to do with their orders."""

    orders: Bundle[Known] = Bundle("orders")
    numbers = count()

    def __init__(self, people: People) -> None:
        super().__init__()
        self.people, self.name, self.known = people, f"s{next(self.numbers)}", list[Known]()
        people.enter(self.name)

    @rule(
        target=orders,
        who=st.sampled_from(sorted(PEOPLE)),
        customer=st.sampled_from([0, 0, 1]),
        sku=st.sampled_from([*SENSOR_TYPES, "NOPE"]),
        quantity=st.integers(1, PER_ORDER + 5),
    )
    def place(self, who: str, customer: int, sku: str, quantity: int) -> Any:
        roles, own = PEOPLE[who]
        # Staff name the customer, also who has one of their own.
        named = {} if own is not None and not roles & STAFF else {"customer_id": f"{self.name}-{customer}"}
        wanted = {"sku": sku, "quantity": quantity} | named
        answer = self.people("POST", "/orders/", f"{self.name}-{who}", body=wanted)
        if not roles & {"customer", "operator", "admin"}:
            assert answer.status_code == 403, answer.text
            return multiple()
        assert answer.status_code == 201, answer.text
        order = Known(answer.json()["order_id"], customer if named else own or 0, sku, quantity)
        order.events.append((self.decision(order), who))
        assert answer.json()["status"] == order.status, answer.text
        self.known.append(order)
        return order

    @rule(
        order=orders,
        who=st.sampled_from(sorted(PEOPLE)),
        status=st.sampled_from(sorted(NEXT)),
        version=st.sampled_from(["current", "current", "*", "older", "newer", "missing"]),
        by_verdict=st.booleans(),
    )
    def move(self, order: Known, who: str, status: str, version: str, by_verdict: bool) -> None:
        path, body, takes = "status", {"status": status}, {"customer", "operator", "approver", "admin"}
        if by_verdict and status in ("accepted", "rejected"):
            path, body, takes = {"accepted": "approve", "rejected": "reject"}[status], {}, {"approver", "admin"}
        tag = {"older": order.version - 1, "newer": order.version + 1}.get(version, order.version)
        if_match = {"*": "*", "missing": None}.get(version, f'"{tag}"')
        method = "PUT" if path == "status" else "POST"
        path = f"/orders/{order.order_id}/{path}"
        answer = self.people(method, path, f"{self.name}-{who}", if_match=if_match, body=body)
        assert answer.status_code == self.expected(order, who, status, version, takes), answer.text
        if answer.status_code == 200:
            order.events.append((status, who))
            assert answer.headers["etag"] == f'"{order.version}"'

    @rule(
        order=orders,
        who=st.sampled_from(["admin", "approver", "buying-approver"]),
        status=st.sampled_from(["accepted", "rejected"]),
        by_verdict=st.booleans(),
    )
    def judge(self, order: Known, who: str, status: str, by_verdict: bool) -> None:
        """By somebody who may, if it is not their own and waits."""
        self.move(order, who, status, "current", by_verdict)

    @rule(order=orders)
    def produce(self, order: Known) -> None:
        """The next step on the way to the customer, which chance alone would seldom take."""
        for status in set(PRODUCTION) & set(NEXT[order.status]):
            self.move(order, "operator", status, "current", by_verdict=False)

    def decision(self, order: Known) -> str:
        """What becomes of a new order, by the limits of its customer."""
        if order.sku not in SENSOR_TYPES:
            return "rejected"
        before = sum(
            each.quantity
            for each in self.known
            if each.stands and each.customer == order.customer and same_type(each.sku, order.sku)
        )
        within = order.quantity <= min(PER_ORDER, UNASKED) and before + order.quantity <= PER_30_DAYS
        return "accepted" if within else "pending_approval"

    def expected(self, order: Known, who: str, status: str, version: str, takes: set[str]) -> int:
        """How a step is answered; the first that is wrong with it decides."""
        roles, own = PEOPLE[who]
        if not roles & takes:
            return 403
        if not roles & STAFF and own != order.customer:
            return 404
        if version not in ("current", "*"):
            return 428 if version == "missing" else 412
        is_own_verdict = status in ("accepted", "rejected") and order.events[0][1] == who
        if not roles & MAY.get(status, set()) or is_own_verdict:
            return 403
        return 200 if status in NEXT[order.status] else 409

    def teardown(self) -> None:
        """The database has what the model has, and no limit is broken in it."""
        mine = [UUID(order.order_id) for order in self.known]
        kept = {str(order_id): tuple(row) for order_id, *row in self.rows("order_id, status, version", "orders", mine)}
        assert kept == {order.order_id: (order.status, order.version) for order in self.known}
        history = defaultdict(list)
        events = self.rows("order_id, version, status, actor", "order_events", mine)
        for order_id, version, status, actor in sorted(events):
            history[str(order_id)].append((version, status, actor))
        assert history == {
            order.order_id: [
                (version, status, f"{self.name}-{who}") for version, (status, who) in enumerate(order.events, start=1)
            ]
            for order in self.known
        }
        assert len(self.rows("1", "outbox", [str(each) for each in mine], key="aggregateid")) == len(events)
        unasked: dict[tuple[int, str], int] = defaultdict(int)
        for order in self.known:
            if order.stands and order.events[0][0] == "accepted":
                unasked[order.customer, SENSOR_TYPES[order.sku]] += order.quantity
        assert all(quantity <= PER_30_DAYS for quantity in unasked.values())

    def rows(self, columns: str, table: str, of: list[Any], *, key: str = "order_id") -> list[tuple[Any, ...]]:
        return self.people.api.rows(f"select {columns} from {table} where {key} = any(%s)", of)


def same_type(one: str, other: str) -> bool:
    return SENSOR_TYPES.get(one) == SENSOR_TYPES.get(other)


@pytest.fixture
def people(demo: Settings) -> Iterator[People]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(demo)) as api:
        yield People(portal, api)


def tried(people: People, sequences: int, *, same: bool) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    told = how(
        max_examples=sequences,
        stateful_step_count=30,
        deadline=None,
        derandomize=same,
        database=None,
        suppress_health_check=checks,
    )
    run_state_machine_as_test(lambda: Sequence(people), settings=told)  # type: ignore[arg-type]  # takes a factory too


def test_no_sequence_of_requests_leads_an_order_where_it_may_not_go(people: People) -> None:
    tried(people, 40, same=True)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_other_sequence_does_either(people: People) -> None:
    tried(people, 2000, same=False)
