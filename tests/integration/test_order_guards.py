"""What the database itself keeps anyone from doing to an order."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import LiteralString

import psycopg
import pytest

from tests.api import Api
from warehouse.database import connect

PLACED = {"sku": "TMP-100", "quantity": 10}


async def placed(api: Api, **more: object) -> str:
    order_id: str = (await api("POST", "/orders/", "ada", json=PLACED | more)).json()["order_id"]
    return order_id


def refused_at_commit(api: Api, statement: LiteralString) -> None:
    with connect(api.settings.database_url) as connection:
        connection.execute(statement)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute("set constraints all immediate")
        connection.rollback()


@pytest.mark.parametrize(
    "change",
    [
        "status = 'delivered', version = version + 1",
        "status = 'accepted', version = version + 1",
        "status = 'routed'",
        "status = 'routed', version = version + 2",
        "status = 'routed', version = version + 1, quantity = 11",
        "status = 'routed', version = version + 1, customer_id = 'globex'",
        "status = 'routed', version = version + 1, value = 0",
    ],
)
async def test_an_order_moves_as_it_may_and_one_version_at_a_time(api: Api, change: str) -> None:
    await placed(api)
    with pytest.raises(psycopg.errors.CheckViolation):
        api.rows(f"update orders set {change} returning 1")


async def test_no_move_without_an_event(api: Api) -> None:
    await placed(api)
    refused_at_commit(api, "update orders set status = 'routed', version = 2")
    assert api.rows("select status, version from orders") == [("accepted", 1)]


async def test_no_order_without_an_event(api: Api) -> None:
    await placed(api)
    columns = "customer_id, sku, quantity, value, status, version, policy_version, created_by, created_at, updated_at"
    refused_at_commit(api, f"insert into orders (order_id, {columns}) select uuidv7(), {columns} from orders")


async def test_an_order_does_not_begin_in_the_middle(api: Api) -> None:
    await placed(api)
    columns = "customer_id, sku, quantity, value, version, policy_version, created_by, created_at, updated_at"
    with pytest.raises(psycopg.errors.CheckViolation):
        api.rows(
            f"insert into orders (order_id, status, {columns}) select uuidv7(), 'shipped', {columns} from orders"
            " returning 1"
        )


async def test_usage_is_what_stands_of_the_orders(api: Api) -> None:
    ended = await placed(api)
    for more in ({"quantity": 600}, {"sku": "TMP-200"}, {"sku": "NOPE"}):
        await placed(api, **more)
    await api("PUT", f"/orders/{ended}/status", "ada", json={"status": "cancelled"})
    today = datetime.now(UTC).date()
    assert api.rows("select customer_id, sku, day, quantity, value from order_usage order by sku") == [
        ("acme", "TMP-100", today, 600, Decimal("28800.00")),
        ("acme", "TMP-200", today, 10, Decimal("215.00")),
    ]
