"""What the pages of one sensor and of one order show: asked of the warehouse once for all who watch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from api.remembered import Remembered
from warehouse import orders, units
from warehouse.curves import Curve, curve
from warehouse.orders import Order, OrderEvent
from warehouse.pool import connected
from warehouse.sensors import Sensor, find_sensor
from warehouse.units import Counts, Unit

if TYPE_CHECKING:
    from warehouse.pool import Pool

LATEST_ORDERS = 8
# Of an order; the API lists them all.
UNITS = 200
_GOOD_FOR_S = 1.5
_CURVE_GOOD_FOR_S = 2.0
# While Postgres is away.
_STALE_S = 60.0
_MOST, _MOST_CURVES = 256, 64


@dataclass(frozen=True)
class OrderSeen:
    """An order, what happened to it, and its first units by serial."""

    order: Order
    history: list[OrderEvent]
    counts: Counts
    units: list[Unit]


# A sensor, a metric and a span of time.
Stretch = tuple[str, str, datetime, datetime]


def stretch(sensor_id: str, metric: str, span: tuple[datetime, datetime]) -> Stretch:
    """The span to the whole minute, so that those who look within the same one share a curve."""
    start, end = (at.replace(second=0, microsecond=0) for at in span)
    return sensor_id, metric, start, end + timedelta(minutes=1)


class Details:
    """Remembers, for a second or some, what many viewers of the same page ask for."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.sensors: Remembered[str, Sensor] = Remembered(
            self._find_sensor, fresh_s=lambda: _GOOD_FOR_S, stale_s=_STALE_S, most=_MOST
        )
        self.orders: Remembered[UUID, OrderSeen | None] = Remembered(
            self._find_order, fresh_s=lambda: _GOOD_FOR_S, stale_s=_STALE_S, most=_MOST
        )
        # By customer; all of them for null.
        self.latest: Remembered[str | None, list[Order]] = Remembered(
            self._list_orders, fresh_s=lambda: _GOOD_FOR_S, stale_s=_STALE_S, most=_MOST
        )
        self.curves: Remembered[Stretch, Curve] = Remembered(
            self._draw, fresh_s=lambda: _CURVE_GOOD_FOR_S, stale_s=_STALE_S, most=_MOST_CURVES
        )

    async def _find_sensor(self, sensor_id: str) -> Sensor:
        async with connected(self._pool) as connection:
            return await find_sensor(connection, sensor_id)

    async def _find_order(self, order_id: UUID) -> OrderSeen | None:
        async with connected(self._pool) as connection:
            order = await orders.find_order(connection, order_id)
            if order is None:
                return None
            return OrderSeen(
                order,
                await orders.history(connection, order_id),
                await units.count_units(connection, order_id),
                await units.list_units(connection, order_id, result=None, after=None, limit=UNITS),
            )

    async def _list_orders(self, customer_id: str | None) -> list[Order]:
        async with connected(self._pool) as connection:
            return await orders.list_orders(
                connection, customer_id=customer_id, status=None, sku=None, after=None, limit=LATEST_ORDERS
            )

    async def _draw(self, stretch: Stretch) -> Curve:
        async with connected(self._pool) as connection:
            return await curve(connection, *stretch)
