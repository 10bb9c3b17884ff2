"""An order as clients see it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import orjson
from pydantic import Field

from api.fields import Strict
from api.unit_json import UnitCounts, counts_json
from warehouse.orders import Order
from warehouse.units import Counts

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


class PlacedOrder(Strict):
    """An order; `version` counts its changes and is its ETag."""

    order_id: UUID
    customer_id: str
    sku: str
    quantity: int
    value: float = Field(description="What it was worth when it was placed, in the catalogue's currency.")
    requested_for: date | None
    notes: str | None
    status: Status
    reason: str | None = Field(description="Why it is rejected or waits for approval, or what was given with a move.")
    approve_by: datetime | None = Field(description="An order that waits for approval expires then.")
    version: int
    policy_version: str
    created_at: datetime
    updated_at: datetime


class OrderInDetail(PlacedOrder):
    """An order by itself, with how its units do."""

    units: UnitCounts


class OrderPage(Strict):
    """Orders, newest first; `next` is the cursor of the next page, or null."""

    items: list[PlacedOrder]
    next: str | None


_SHOWN = tuple(PlacedOrder.model_fields)


def order_json(order: Order) -> bytes:
    """The order as a `PlacedOrder`, without the detour through a model."""
    return _dumped({name: getattr(order, name) for name in _SHOWN})


def order_in_detail_json(order: Order, counts: Counts) -> bytes:
    """The order as an `OrderInDetail`."""
    return _dumped({name: getattr(order, name) for name in _SHOWN} | {"units": counts_json(counts)})


def page_json(orders: list[Order], following: str | None) -> bytes:
    """The orders as an `OrderPage`."""
    return _dumped({"items": [{name: getattr(order, name) for name in _SHOWN} for order in orders], "next": following})


def etag(order: Order) -> str:
    """The order's version, as If-Match wants it."""
    return f'"{order.version}"'


def _dumped(content: object) -> bytes:
    return orjson.dumps(content, default=float, option=orjson.OPT_UTC_Z)
