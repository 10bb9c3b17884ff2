"""What time ends: orders that nobody approved by then, answers that no repeat can get any more, old counts by time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from agent.order_states import EVENTS
from sensorhouse.errors import DependencyDown, Overloaded
from warehouse import answer_times, answers, counts, orders
from warehouse.pool import transaction

if TYPE_CHECKING:
    from warehouse.pool import Pool

# Who approves too late is refused to the second; the order itself says `expired` within this time.
EXPIRE_EVERY_S = 30.0
_EXPIRED_AT_ONCE = 200

log = structlog.get_logger()


async def expire(pool: Pool, *, keys_kept_for: timedelta) -> None:
    """Until cancelled, look again and again."""
    while True:
        try:
            while await expire_overdue(pool) == _EXPIRED_AT_ONCE:
                pass
            async with transaction(pool) as connection:
                await answers.forget(connection, kept_for=keys_kept_for)
                await counts.forget(connection)
                await answer_times.forget(connection)
        except (DependencyDown, Overloaded) as error:
            log.warning("could_not_expire", error=str(error))
        await asyncio.sleep(EXPIRE_EVERY_S)


async def expire_overdue(pool: Pool) -> int:
    """Bring orders that nobody approved in time to `expired`; returns how many. Any number of processes may do so."""
    async with transaction(pool) as connection:
        overdue = await orders.lock_overdue(connection, _EXPIRED_AT_ONCE)
        for order in overdue:
            reason = f"expired: nobody approved it by {order.approve_by:%Y-%m-%d %H:%M} UTC"
            await orders.move(
                connection, order, status="expired", reason=reason, event_type=EVENTS["expired"], actor="policy"
            )
    return len(overdue)
