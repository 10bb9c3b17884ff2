"""Units of an order: entered as they are built, and listed with what their tests say."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field, TypeAdapter

from api import cursors, document, links
from api.context import Reach, one_of
from api.fields import Cursor, Strict, Word
from api.orders import Reader, theirs
from api.unit_json import EnteredUnits, Result, UnitPage, unit_json
from sensorhouse.errors import Conflict
from warehouse import orders, units
from warehouse.accounts import User
from warehouse.pool import connected, transaction

Operator = Annotated[User, Depends(one_of("operator"))]
_BUILDING = ("in_production", "in_test")
_SERIAL: TypeAdapter[tuple[str]] = TypeAdapter(tuple[str])

router = APIRouter(prefix="/orders", tags=["orders"])


class Built(Strict):
    """Sensors that a line has built for an order."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"sensor_ids": ["tmp-0001", "tmp-0002"], "line_id": "dresden-1"}]},
    )

    sensor_ids: list[Word] = Field(min_length=1, max_length=1000, description="Their serials.")
    line_id: Word


class UnitQuery(Strict):
    """Which units."""

    result: Result | None = None
    limit: int = Field(100, ge=1, le=1000)
    cursor: Cursor | None = None


@router.post("/{order_id}/units", status_code=201, response_model=EnteredUnits, openapi_extra={"x-demo-user": "olivia"})
async def enter_units(order_id: UUID, built: Built, user: Operator, services: Reach) -> Response:
    """Enter units that were built for an order in production or in test; their tests begin.

    The same again changes nothing. A serial of another order, or more units than were ordered, are refused with 409,
    and then none is entered.
    """
    async with transaction(services.pool) as connection:
        order = theirs(await orders.lock_order(connection, order_id), user)
        if order.status not in _BUILDING:
            raise Conflict(f"the order is {order.status}; units are entered while it is {' or '.join(_BUILDING)}")
        entered = await units.enter(connection, order, built.sensor_ids, built.line_id)
    return Response(_dumped({"items": [unit_json(unit) for unit in entered]}), 201, media_type="application/json")


@router.get(
    "/{order_id}/units",
    response_model=UnitPage,
    responses={200: {"headers": document.NEXT_PAGE_HEADER, "links": document.next_page("list_units")}},
    openapi_extra={"x-demo-user": "ada"},
)
async def list_units(
    request: Request, order_id: UUID, query: Annotated[UnitQuery, Query()], user: Reader, services: Reach
) -> Response:
    """The order's units by serial, each with what its test says and why. `Link` leads to the next page."""
    after = cursors.read(query.cursor, _SERIAL)
    async with connected(services.pool) as connection:
        theirs(await orders.find_order(connection, order_id), user)
        found = await units.list_units(
            connection, order_id, result=query.result, after=after[0] if after else None, limit=query.limit + 1
        )
    items = found[: query.limit]
    following = cursors.write((items[-1].sensor_id,)) if len(found) > query.limit else None
    return Response(
        _dumped({"items": [unit_json(unit) for unit in items], "next": following}),
        headers=links.next_page(request.url.path, request.url.query, following),
        media_type="application/json",
    )


def _dumped(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)
