"""Orders: placed, listed, looked at and moved on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import ConfigDict, Field, TypeAdapter

from api import cursors, document, links
from api.context import Reach, one_of
from api.fields import Cursor, Day, Notes, Quantity, Strict, Word
from api.idempotency import KeyHeader, OptionalKeyHeader, fingerprint, respond
from api.moving import Step, moved
from api.order_json import OrderInDetail, OrderPage, PlacedOrder, Status, etag, order_in_detail_json, page_json
from api.placing import Wish
from sensorhouse.errors import Forbidden, Invalid, NotFound
from warehouse import orders, units
from warehouse.accounts import User
from warehouse.answers import Key
from warehouse.orders import Order, OrderEvent
from warehouse.pool import connected

# Who sees every customer's orders.
_STAFF = frozenset({"operator", "approver", "viewer", "admin"})
# Of all other orders nobody has to ask how their units do.
_HAS_UNITS = frozenset({"in_production", "in_test", "shipped", "delivered"})
Buyer = Annotated[User, Depends(one_of("customer", "operator"))]
Reader = Annotated[User, Depends(one_of("customer", "operator", "approver", "viewer"))]
Mover = Annotated[User, Depends(one_of("customer", "operator", "approver"))]
Approver = Annotated[User, Depends(one_of("approver"))]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        # RFC 9110, 13.1.1: * or a list of entity tags.
        pattern=r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$',
        description="The order's ETag that the step is meant for, or *: 428 without, 412 if it is older.",
        json_schema_extra={"examples": ['"1"']},
    ),
]

_PAGE: dict[str, Any] = {"headers": document.NEXT_PAGE_HEADER, "links": document.next_page("list_orders")}
_POSITION: TypeAdapter[tuple[datetime, UUID]] = TypeAdapter(tuple[datetime, UUID])

router = APIRouter(prefix="/orders", tags=["orders"])


class Wanted(Strict):
    """An order to be placed. A customer orders for themselves; an operator names the customer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"sku": "TMP-100", "quantity": 40, "requested_for": "2099-01-31", "notes": "For line 4."}]
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


class Verdict(Strict):
    """Why an approver decides so."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "Agreed by phone."}]})

    reason: Notes | None = None


class OrderQuery(Strict):
    """Which orders."""

    status: Status | None = None
    customer_id: Word | None = None
    sku: Word | None = None
    limit: int = Field(50, ge=1, le=1000)
    cursor: Cursor | None = None


@router.post("", status_code=201, include_in_schema=False, response_model=PlacedOrder)
@router.post(
    "/",
    status_code=201,
    response_model=PlacedOrder,
    responses=document.PLACED,
    openapi_extra={"x-demo-user": "ada"},
)
async def place_order(wanted: Wanted, user: Buyer, services: Reach, idempotency_key: KeyHeader) -> Response:
    """Place an order. Policy decides at once: `accepted`, `pending_approval` or `rejected`, with the reason.

    The same again with the same Idempotency-Key gets the same answer, marked `Idempotent-Replayed: true`.
    """
    customer_id = _customer_of(user, wanted)
    wish = Wish(
        key=Key(user.user_id, "POST /orders/", idempotency_key),
        fingerprint=fingerprint(customer_id, wanted.sku, wanted.quantity, wanted.requested_for, wanted.notes),
        customer_id=customer_id,
        sku=wanted.sku,
        quantity=wanted.quantity,
        requested_for=wanted.requested_for,
        notes=wanted.notes,
        username=user.username,
    )
    placed = await services.placing.place(wish)
    return respond(placed.answer, is_repeat=placed.is_repeat)


@router.get("", include_in_schema=False, response_model=OrderPage)
@router.get("/", response_model=OrderPage, responses={200: _PAGE}, openapi_extra={"x-demo-user": "ada"})
async def list_orders(
    request: Request, query: Annotated[OrderQuery, Query()], user: Reader, services: Reach
) -> Response:
    """Orders, newest first; a customer sees their own. `Link` leads to the next page."""
    own = own_customer(user)
    if own and query.customer_id not in (None, own):
        raise Forbidden("a customer sees their own orders")
    after = cursors.read(query.cursor, _POSITION)
    async with connected(services.pool) as connection:
        found = await orders.list_orders(
            connection,
            customer_id=own or query.customer_id,
            status=query.status,
            sku=query.sku,
            after=after,
            limit=query.limit + 1,
        )
    items = found[: query.limit]
    more = len(found) > query.limit
    following = cursors.write((items[-1].created_at, items[-1].order_id)) if more else None
    headers = links.next_page(request.url.path, request.url.query, following)
    return Response(page_json(items, following), headers=headers, media_type="application/json")


@router.get("/{order_id}", response_model=OrderInDetail, responses=document.ORDER, openapi_extra={"x-demo-user": "ada"})
async def get_order(order_id: UUID, user: Reader, services: Reach) -> Response:
    """One order and how its units do, with its version as ETag; another customer's is not found."""
    async with connected(services.pool) as connection:
        order = theirs(await orders.find_order(connection, order_id), user)
        counts = await units.count_units(connection, order_id) if order.status in _HAS_UNITS else units.Counts()
    return Response(order_in_detail_json(order, counts), headers={"etag": etag(order)}, media_type="application/json")


@router.get("/{order_id}/history", openapi_extra={"x-demo-user": "ada"})
async def get_history(order_id: UUID, user: Reader, services: Reach) -> list[OrderEvent]:
    """What happened to the order, who did it and why, oldest first."""
    async with connected(services.pool) as connection:
        theirs(await orders.find_order(connection, order_id), user)
        return await orders.history(connection, order_id)


@router.put(
    "/{order_id}/status", response_model=PlacedOrder, responses=document.MOVED, openapi_extra={"x-demo-user": "ada"}
)
async def move_order(
    order_id: UUID,
    wanted: Move,
    user: Mover,
    services: Reach,
    if_match: IfMatch = None,
    idempotency_key: OptionalKeyHeader = None,
) -> Response:
    """Bring an order into another state.

    Operators move it through production, approvers accept or reject what waits for approval (never their own), a
    customer may cancel theirs before production.
    """
    step = Step("PUT /orders/{order_id}/status", order_id, wanted.status, wanted.reason, if_match, idempotency_key)
    return await moved(services, step, user, theirs)


@router.post(
    "/{order_id}/approve", response_model=PlacedOrder, responses=document.MOVED, openapi_extra={"x-demo-user": "paul"}
)
async def approve_order(
    order_id: UUID,
    user: Approver,
    services: Reach,
    verdict: Verdict | None = None,
    if_match: IfMatch = None,
    idempotency_key: OptionalKeyHeader = None,
) -> Response:
    """Accept an order that waits for approval, as it stands at the version in If-Match; never one's own."""
    reason = verdict.reason if verdict else None
    step = Step("POST /orders/{order_id}/approve", order_id, "accepted", reason, if_match, idempotency_key)
    return await moved(services, step, user, theirs)


@router.post(
    "/{order_id}/reject", response_model=PlacedOrder, responses=document.MOVED, openapi_extra={"x-demo-user": "paul"}
)
async def reject_order(
    order_id: UUID,
    user: Approver,
    services: Reach,
    verdict: Verdict | None = None,
    if_match: IfMatch = None,
    idempotency_key: OptionalKeyHeader = None,
) -> Response:
    """Reject an order that waits for approval, as it stands at the version in If-Match; never one's own."""
    reason = verdict.reason if verdict else None
    step = Step("POST /orders/{order_id}/reject", order_id, "rejected", reason, if_match, idempotency_key)
    return await moved(services, step, user, theirs)


def _customer_of(user: User, wanted: Wanted) -> str:
    """Whom the order is for."""
    own = own_customer(user)
    if own:
        if wanted.customer_id not in (None, own):
            raise Forbidden("a customer orders for themselves")
        return own
    if wanted.customer_id is None:
        raise Invalid("name the customer_id that the order is for")
    return wanted.customer_id


def own_customer(user: User) -> str | None:
    """The customer that a user is confined to; null for the maker's own people."""
    if _STAFF & set(user.roles):
        return None
    if user.customer_id is None:
        raise Forbidden("this user orders for no customer")
    return user.customer_id


def theirs(order: Order | None, user: User) -> Order:
    """The order, if the user may know of it; raises `NotFound` otherwise."""
    own = own_customer(user)
    if order is None or (own and order.customer_id != own):
        raise NotFound("there is no such order")
    return order
