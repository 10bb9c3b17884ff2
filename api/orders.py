"""Orders: placed, listed, looked at and moved on."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import ConfigDict, Field, TypeAdapter

from agent.order_states import EVENTS, PLACED, Actor, check
from agent.policy import Asked, Decision, Policy, decide
from api import cursors
from api.context import Reach, one_of
from api.fields import Cursor, Day, Notes, Quantity, Strict, Word
from sensorhouse.errors import Forbidden, Invalid, NotFound, Outdated
from warehouse import catalogue, orders
from warehouse.accounts import User
from warehouse.orders import Customer, NewOrder, Order, OrderEvent, Product
from warehouse.pool import connected, transaction

Status = Literal[
    "received",
    "accepted",
    "pending_approval",
    "rejected",
    "expired",
    "routed",
    "in_production",
    "in_test",
    "shipped",
    "delivered",
    "cancelled",
]
# Who sees every customer's orders.
_STAFF = frozenset({"operator", "approver", "viewer", "admin"})
Buyer = Annotated[User, Depends(one_of("customer", "operator"))]
Reader = Annotated[User, Depends(one_of("customer", "operator", "approver", "viewer"))]
Mover = Annotated[User, Depends(one_of("customer", "operator", "approver"))]

_POSITION: TypeAdapter[tuple[datetime, UUID]] = TypeAdapter(tuple[datetime, UUID])

router = APIRouter(prefix="/orders", tags=["orders"])


class Wanted(Strict):
    """An order to be placed. A customer orders for themselves; an operator names the customer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"sku": "TMP-100", "quantity": 40, "requested_for": "2027-01-31", "notes": "For line 4."}]
        },
    )

    sku: Word
    quantity: Quantity
    customer_id: Word | None = None
    requested_for: Day | None = None
    notes: Notes | None = None


class Move(Strict):
    """The state an order is to be in."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"status": "cancelled", "reason": "Ordered twice."}]}
    )

    status: Status
    reason: Notes | None = None


class PlacedOrder(Strict):
    """An order; `version` counts its changes and is its ETag."""

    order_id: UUID
    customer_id: str
    sku: str
    quantity: int
    requested_for: date | None
    notes: str | None
    status: Status
    reason: str | None = Field(description="Why it is rejected or waits for approval, or what was given with a move.")
    version: int
    policy_version: str
    created_at: datetime
    updated_at: datetime


class OrderPage(Strict):
    """Orders, newest first; `next` is the cursor of the next page, or null."""

    items: list[PlacedOrder]
    next: str | None


class OrderQuery(Strict):
    """Which orders."""

    status: Status | None = None
    customer_id: Word | None = None
    limit: int = Field(50, ge=1, le=1000)
    cursor: Cursor | None = None


@router.post("", status_code=201, include_in_schema=False)
@router.post("/", status_code=201, openapi_extra={"x-demo-user": "ada"})
async def place_order(wanted: Wanted, user: Buyer, services: Reach, response: Response) -> PlacedOrder:
    """Place an order. Policy decides at once: `accepted`, `pending_approval` or `rejected`, with the reason."""
    customer_id = _customer_of(user, wanted)
    async with transaction(services.pool) as connection:
        customer = await orders.lock_customer(connection, customer_id)
        if customer is None:
            raise Invalid(f"there is no customer {customer_id}")
        product, ordered, clock = await orders.find_product(connection, wanted.sku, customer_id)
        decision = _decided(services.policy, customer, product, wanted, ordered, clock)
        new = NewOrder(
            customer_id=customer_id,
            sku=wanted.sku,
            quantity=wanted.quantity,
            requested_for=wanted.requested_for,
            notes=wanted.notes,
            status=decision.status,
            reason=decision.reason,
            policy_version=decision.policy_version,
        )
        order = await orders.place(
            connection, new, event_type=PLACED, at=clock, user_id=user.user_id, actor=user.username
        )
    response.headers["location"] = f"/orders/{order.order_id}"
    return _answer(order, response)


@router.get("", include_in_schema=False)
@router.get("/", openapi_extra={"x-demo-user": "ada"})
async def list_orders(query: Annotated[OrderQuery, Query()], user: Reader, services: Reach) -> OrderPage:
    """Orders, newest first; a customer sees their own."""
    own = _own_customer(user)
    if own and query.customer_id not in (None, own):
        raise Forbidden("a customer sees their own orders")
    after = cursors.read(query.cursor, _POSITION)
    async with connected(services.pool) as connection:
        found = await orders.list_orders(
            connection,
            customer_id=own or query.customer_id,
            status=query.status,
            after=after,
            limit=query.limit + 1,
        )
    items = found[: query.limit]
    more = len(found) > query.limit
    return OrderPage(
        items=[_shown(order) for order in items],
        next=cursors.write((items[-1].created_at, items[-1].order_id)) if more else None,
    )


@router.get("/{order_id}", openapi_extra={"x-demo-user": "ada"})
async def get_order(order_id: UUID, user: Reader, services: Reach, response: Response) -> PlacedOrder:
    """One order, with its version as ETag; another customer's is not found."""
    async with connected(services.pool) as connection:
        return _answer(_theirs(await orders.find_order(connection, order_id), user), response)


@router.get("/{order_id}/history", openapi_extra={"x-demo-user": "ada"})
async def get_history(order_id: UUID, user: Reader, services: Reach) -> list[OrderEvent]:
    """What happened to the order and who did it, oldest first."""
    async with connected(services.pool) as connection:
        _theirs(await orders.find_order(connection, order_id), user)
        return await orders.history(connection, order_id)


@router.put("/{order_id}/status", openapi_extra={"x-demo-user": "ada"})
async def move_order(
    order_id: UUID,
    wanted: Move,
    user: Mover,
    services: Reach,
    response: Response,
    if_match: Annotated[str | None, Header(description="The ETag the move is meant for; 412 if it is older.")] = None,
) -> PlacedOrder:
    """Bring an order into another state.

    Operators move it through production, approvers accept or reject what waits for approval (never their own), a
    customer may cancel theirs before production.
    """
    async with transaction(services.pool) as connection:
        order = _theirs(await orders.lock_order(connection, order_id), user)
        if if_match not in (None, "*") and _etag(order) not in [tag.strip() for tag in (if_match or "").split(",")]:
            raise Outdated(f"the order is at version {order.version}; read it again")
        check(order, wanted.status, Actor(user.user_id, user.roles))
        moved = await orders.move(
            connection,
            order,
            status=wanted.status,
            reason=wanted.reason,
            event_type=EVENTS[wanted.status],
            actor=user.username,
        )
    return _answer(moved, response)


def _decided(
    policy: Policy, customer: Customer, product: Product | None, wanted: Wanted, ordered: int, clock: datetime
) -> Decision:
    """What the policy makes of it; prices and lead times are not looked up here, and count as nothing."""
    buyer = catalogue.Customer(**vars(customer), region="unassigned", preferred_site=None)
    products, usage = {}, {}
    if product:
        products[wanted.sku] = catalogue.Product(product.sku, product.sensor_type, Decimal(0), 0)
        usage[wanted.sku] = catalogue.Bought(ordered)
    asked = Asked(wanted.sku, wanted.quantity, wanted.requested_for, clock.astimezone(UTC).date())
    return decide(policy, buyer, products, asked, usage)


def _customer_of(user: User, wanted: Wanted) -> str:
    """Whom the order is for."""
    own = _own_customer(user)
    if own:
        if wanted.customer_id not in (None, own):
            raise Forbidden("a customer orders for themselves")
        return own
    if wanted.customer_id is None:
        raise Invalid("name the customer_id that the order is for")
    return wanted.customer_id


def _own_customer(user: User) -> str | None:
    """The customer that a user is confined to; null for the maker's own people."""
    if _STAFF & set(user.roles):
        return None
    if user.customer_id is None:
        raise Forbidden("this user orders for no customer")
    return user.customer_id


def _theirs(order: Order | None, user: User) -> Order:
    own = _own_customer(user)
    if order is None or (own and order.customer_id != own):
        raise NotFound("there is no such order")
    return order


def _shown(order: Order) -> PlacedOrder:
    return PlacedOrder.model_validate({name: getattr(order, name) for name in PlacedOrder.model_fields})


def _etag(order: Order) -> str:
    return f'"{order.version}"'


def _answer(order: Order, response: Response) -> PlacedOrder:
    response.headers["etag"] = _etag(order)
    return _shown(order)
