"""Orders are moved on: one version at a time, by who may, each step once whatever is repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from fastapi import Response

from agent.order_states import EVENTS, Actor, check
from api.context import Services
from api.idempotency import check_same, fingerprint, respond
from api.order_json import etag, order_json
from sensorhouse.errors import DependencyDown, KeyTaken, Outdated, Overloaded, VersionMissing
from warehouse import answers, orders
from warehouse.accounts import User
from warehouse.answers import Answer, Key
from warehouse.orders import Order
from warehouse.pool import transaction

if TYPE_CHECKING:
    from warehouse.pool import Pool

# Who approves too late is refused to the second; the order itself says `expired` within this time.
EXPIRE_EVERY_S = 30.0
_EXPIRED_AT_ONCE = 200

log = structlog.get_logger()


@dataclass(frozen=True)
class Step:
    """What a request wants of an order: its new status, meant for the version in `if_match`."""

    route: str
    order_id: UUID
    status: str
    reason: str | None
    if_match: str | None
    key: str | None


async def moved(services: Services, step: Step, user: User, theirs: Callable[[Order | None, User], Order]) -> Response:
    """Take the step in one transaction, and answer with the order; `theirs` refuses an order the user may not know of.

    A repeat with the same key gets the first answer. Raises `VersionMissing` (428), `Outdated` (412), and what
    `order_states.check` does.
    """
    try:
        async with transaction(services.pool) as connection:
            # Locked first: a repeat that arrives meanwhile waits here for the first to be done.
            order = theirs(await orders.lock_order(connection, step.order_id), user)
            key = Key(user.user_id, step.route, step.key) if step.key is not None else None
            asked = fingerprint(step.order_id, step.status, step.reason)
            now = datetime.now(UTC)
            since = now - timedelta(hours=services.settings.idempotency_hours)
            if key and (known := (await answers.find(connection, [key], since=since)).get(key)):
                check_same(known, asked)
                return respond(known, is_repeat=True)
            _check_version(order, step.if_match)
            check(services.policy, order, step.status, Actor(user.user_id, user.roles), now=now)
            event = EVENTS[step.status]
            order = await orders.move(
                connection, order, status=step.status, reason=step.reason, event_type=event, actor=user.username
            )
            answer = Answer(asked, 200, None, etag(order), order_json(order))
            if key:
                await answers.keep(connection, {key: answer}, at=now, since=since)
    except Overloaded as error:
        if step.key is None:
            raise
        raise KeyTaken("the first request with this Idempotency-Key is not done yet; send it again") from error
    return respond(answer, is_repeat=False)


@asynccontextmanager
async def expiring(pool: Pool, *, keys_kept_for: timedelta) -> AsyncIterator[None]:
    """For as long as the block lasts: orders that nobody approved in time expire, and old answers are forgotten."""
    task = asyncio.create_task(_expire_for_ever(pool, keys_kept_for))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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


async def _expire_for_ever(pool: Pool, keys_kept_for: timedelta) -> None:
    while True:
        try:
            while await expire_overdue(pool) == _EXPIRED_AT_ONCE:
                pass
            async with transaction(pool) as connection:
                await answers.forget(connection, kept_for=keys_kept_for)
        except (DependencyDown, Overloaded) as error:
            log.warning("could_not_expire", error=str(error))
        await asyncio.sleep(EXPIRE_EVERY_S)


def _check_version(order: Order, if_match: str | None) -> None:
    if if_match is None:
        raise VersionMissing(f"send If-Match with the order's ETag, {etag(order)} by now, or * for any version")
    if if_match.strip() != "*" and etag(order) not in [tag.strip() for tag in if_match.split(",")]:
        raise Outdated(f"the order is at version {order.version}; read it again")
