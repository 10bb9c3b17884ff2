"""Orders are moved on: one version at a time, by who may, each step once whatever is repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import Response

from agent.order_states import EVENTS, Actor, check
from api.context import Services
from api.idempotency import check_same, fingerprint, respond
from api.order_json import etag, order_json
from sensorhouse.errors import KeyTaken, Outdated, Overloaded, VersionMissing
from warehouse import answers, orders
from warehouse.accounts import User
from warehouse.answers import Answer, Key
from warehouse.orders import Order
from warehouse.pool import transaction

if TYPE_CHECKING:
    pass


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
                check_same(known.fingerprint, asked)
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


def _check_version(order: Order, if_match: str | None) -> None:
    if if_match is None:
        raise VersionMissing(f"send If-Match with the order's ETag, {etag(order)} by now, or * for any version")
    if if_match.strip() != "*" and etag(order) not in [tag.strip() for tag in if_match.split(",")]:
        raise Outdated(f"the order is at version {order.version}; read it again")
