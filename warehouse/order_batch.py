"""Orders that are placed together: what policy needs to know of them, and all of them written at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.catalogue import Bought, Customer, Product, Usage
from warehouse.orders import COLUMNS

if TYPE_CHECKING:
    from warehouse.orders import Order
    from warehouse.pool import Connection


@dataclass(frozen=True)
class Facts:
    """The customers, what each ordered in the last 30 days, the whole catalogue, and the time by Postgres' clock."""

    customers: Mapping[str, Customer]
    usage: Mapping[str, Usage]
    products: Mapping[str, Product]
    clock: datetime


async def lock_facts(connection: Connection, customer_ids: Collection[str]) -> Facts:
    """The facts about these customers, whose other orders now wait for this transaction.

    So a limit holds for orders that arrive together, and in whatever process. The days of the 30 are UTC's, today
    included.
    """
    # Sorted: two transactions that lock the same customers never wait for each other crosswise.
    locked = await connection.fetch(
        """
        select
            customer_id, tier, region, max_quantity_per_order, max_quantity_30_days, approval_above, forbidden_skus,
            preferred_site
        from customers
        where customer_id = any($1)
        order by customer_id
        for no key update
        """,
        list(customer_ids),
    )
    # By statements of their own, which see what was committed while we waited for the locks.
    products = await connection.fetch("select sku, sensor_type, price, lead_time_days, clock_timestamp() from products")
    clock = products[0]["clock_timestamp"]
    bought = await connection.fetch(
        """
        select customer_id, sku, sum(quantity)::bigint as quantity, sum(value) as value
        from order_usage
        where customer_id = any($1) and day > $2::date - 30
        group by customer_id, sku
        """,
        list(customer_ids),
        clock.date(),
    )
    usage: defaultdict[str, dict[str, Bought]] = defaultdict(dict)
    for row in bought:
        usage[row["customer_id"]][row["sku"]] = Bought(row["quantity"], row["value"])
    return Facts(
        {row["customer_id"]: Customer(**{**row, "forbidden_skus": tuple(row["forbidden_skus"])}) for row in locked},
        usage,
        {row["sku"]: Product(row["sku"], row["sensor_type"], row["price"], row["lead_time_days"]) for row in products},
        clock,
    )


async def insert(connection: Connection, orders: Sequence[Order]) -> None:
    """Keep new orders; their events are to follow in the same transaction, which else can't commit."""
    await connection.execute(
        f"""
        insert into orders ({", ".join(COLUMNS)})
        select *
        from unnest(
            $1::uuid[], $2::text[], $3::text[], $4::integer[], $5::numeric[], $6::date[], $7::text[], $8::text[],
            $9::text[], $10::timestamptz[], $11::integer[], $12::text[], $13::uuid[], $14::timestamptz[],
            $15::timestamptz[]
        )
        """,
        *([getattr(order, name) for order in orders] for name in COLUMNS),
    )
