"""What a policy is tried on: every order as it was first decided, and today's customers and products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, kwargs_row

from warehouse.catalogue import Customer, Product
from warehouse.database import Connection


@dataclass(frozen=True)
class PastOrder:
    """What was asked for and when, what it was decided to be then (`first_…`), and its status by now."""

    order_id: UUID
    customer_id: str
    sku: str
    quantity: int
    requested_for: date | None
    created_at: datetime
    status: str
    first_status: str
    first_reason: str | None


def past_orders(connection: Connection) -> Iterator[PastOrder]:
    """Every order, in the order in which they were placed; read as they are asked for, in one transaction."""
    with connection.cursor("past_orders", row_factory=class_row(PastOrder)) as cursor:
        yield from cursor.execute(
            """
            select
                o.order_id,
                o.customer_id,
                o.sku,
                o.quantity,
                o.requested_for,
                o.created_at,
                o.status,
                e.status as first_status,
                e.reason as first_reason
            from orders as o
            join order_events as e on e.order_id = o.order_id and e.version = 1
            order by o.created_at, o.order_id
            """
        )


def customers(connection: Connection) -> dict[str, Customer]:
    """Every customer, by id."""
    with connection.cursor(row_factory=kwargs_row(_customer)) as cursor:
        found = cursor.execute(
            """
            select
                customer_id, tier, region,
                max_quantity_per_order, max_quantity_30_days, approval_above, forbidden_skus, preferred_site
            from customers
            """
        )
        return {one.customer_id: one for one in found}


def products(connection: Connection) -> dict[str, Product]:
    """The catalogue, by sku."""
    found = connection.execute("select sku, sensor_type, price, lead_time_days from products")
    return {row[0]: Product(*row) for row in found}


def _customer(*, forbidden_skus: list[str], **row: Any) -> Customer:
    return Customer(**row, forbidden_skus=tuple(forbidden_skus))
