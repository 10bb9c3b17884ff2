"""Units of an order: entered as they are built, and what their tests say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sensorhouse.errors import Conflict, Invalid

if TYPE_CHECKING:
    from warehouse.orders import Order
    from warehouse.pool import Connection


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit and its test's `result`: passed, failed (for these `reasons`) or untested; see the view unit_results."""

    sensor_id: str
    line_id: str
    built_at: datetime
    result: str
    readings: int
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many units of an order were built, and what their tests say."""

    built: int = 0
    passed: int = 0
    failed: int = 0
    untested: int = 0


_UNIT = "sensor_id, line_id, built_at, result, readings, reasons"


async def enter(connection: Connection, order: Order, sensor_ids: Sequence[str], line_id: str) -> list[Unit]:
    """Enter units of a locked order; those that it has already stay as they are.

    Raises `Invalid` for a line that doesn't make the product, `Conflict` for serials of another order and for more
    units than were ordered; then the transaction is to be rolled back.
    """
    await _check_line(connection, order.sku, line_id)
    await connection.execute(
        """
        insert into units (sensor_id, order_id, sku, line_id)
        select distinct sensor_id, $2::uuid, $3, $4
        from unnest($1::text[]) as sensor_id
        -- Ordered, so that two that meet can't lock each other out.
        order by sensor_id
        on conflict do nothing
        """,
        sensor_ids,
        order.order_id,
        order.sku,
        line_id,
    )
    taken = await connection.fetch(
        "select sensor_id from units where sensor_id = any($1) and order_id <> $2 order by 1 limit 3",
        sensor_ids,
        order.order_id,
    )
    if taken:
        raise Conflict(f"already entered for another order: {', '.join(row['sensor_id'] for row in taken)}")
    built = await connection.fetchval("select count(*) from units where order_id = $1", order.order_id)
    if built > order.quantity:
        raise Conflict(f"the order is of {order.quantity} units, these would make it {built}")
    rows = await connection.fetch(
        f"select {_UNIT} from unit_results where sensor_id = any($1) order by sensor_id", sensor_ids
    )
    return [Unit(**row) for row in rows]


async def list_units(
    connection: Connection, order_id: UUID, *, result: str | None, after: str | None, limit: int
) -> list[Unit]:
    """The order's units by serial; `after` is the last one of the page before."""
    rows = await connection.fetch(
        f"""
        select {_UNIT}
        from unit_results
        where order_id = $1
            and ($2::text is null or result = $2)
            and ($3::text is null or sensor_id > $3)
        order by sensor_id
        limit $4
        """,
        order_id,
        result,
        after,
        limit,
    )
    return [Unit(**row) for row in rows]


async def count_units(connection: Connection, order_id: UUID) -> Counts:
    """How many units of the order there are, by result."""
    row: Any = await connection.fetchrow(
        """
        select
            count(*) as built,
            count(*) filter (where result = 'passed') as passed,
            count(*) filter (where result = 'failed') as failed,
            count(*) filter (where result = 'untested') as untested
        from unit_results
        where order_id = $1
        """,
        order_id,
    )
    return Counts(**row)


async def _check_line(connection: Connection, sku: str, line_id: str) -> None:
    makes_it = await connection.fetchval(
        """
        select p.sensor_type = any(l.sensor_types)
        from lines as l, products as p
        where l.line_id = $1 and p.sku = $2
        """,
        line_id,
        sku,
    )
    if makes_it is None:
        raise Invalid(f"there is no line {line_id}")
    if not makes_it:
        raise Invalid(f"line {line_id} does not make {sku}")
