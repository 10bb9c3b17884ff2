"""What request handlers can reach, and who is asking."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from anyio import CapacityLimiter
from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from agent.policy import Policy
from api.tokens import Tokens
from sensorhouse.errors import DependencyDown, Forbidden, Unauthenticated
from sensorhouse.settings import Settings
from sensors_io.lake import Lake
from sensors_io.publisher import Publisher
from warehouse.accounts import User, find_user
from warehouse.pool import connected
from warehouse.readings import sensor_types

if TYPE_CHECKING:
    from warehouse.pool import Pool

# A deleted user is out, and a changed role counts, after this long.
USER_GOOD_FOR_S = 10.0
SENSOR_TYPES_GOOD_FOR_S = 30.0
# Uploads wait on Kafka alone: while Postgres is away, who was seen lately is still let in.
USER_GOOD_FOR_WHILE_DOWN_S = 900.0
_USERS_REMEMBERED = 10_000


@dataclass
class Services:
    """The collaborators of the handlers, made once per process, and what is remembered of the warehouse."""

    settings: Settings
    pool: Pool
    publisher: Publisher
    tokens: Tokens
    lake: Lake
    policy: Policy
    hashing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    decoding: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    reading_lake: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    _users: dict[UUID, tuple[User, float]] = field(default_factory=dict)
    _sensor_types: tuple[frozenset[str], float] | None = None

    async def user(self, user_id: UUID) -> User:
        """The user, as the warehouse knew them at most `USER_GOOD_FOR_S` ago; raises `Unauthenticated` if deleted."""
        known, seen_at = self._users.get(user_id, (None, 0.0))
        age = time.monotonic() - seen_at
        if known and age < USER_GOOD_FOR_S:
            return known
        try:
            async with connected(self.pool) as connection:
                user = await find_user(connection, user_id)
        except DependencyDown:
            if known and age < USER_GOOD_FOR_WHILE_DOWN_S:
                return known
            raise
        if user is None:
            self._users.pop(user_id, None)
            raise Unauthenticated("this user no longer exists")
        if len(self._users) >= _USERS_REMEMBERED:
            self._users.clear()
        self._users[user_id] = (user, time.monotonic())
        return user

    async def sensor_types(self) -> frozenset[str]:
        """The sensor types whose readings are taken, at most `SENSOR_TYPES_GOOD_FOR_S` old while Postgres answers."""
        if self._sensor_types and time.monotonic() - self._sensor_types[1] < SENSOR_TYPES_GOOD_FOR_S:
            return self._sensor_types[0]
        try:
            async with connected(self.pool) as connection:
                self._sensor_types = (await sensor_types(connection), time.monotonic())
        except DependencyDown:
            if self._sensor_types is None:
                raise
        return self._sensor_types[0]


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Reach = Annotated[Services, Depends(_services)]

_bearer = OAuth2PasswordBearer(tokenUrl="/auth/token", auto_error=False, description="A token of POST /auth/token.")


async def signed_in(token: Annotated[str | None, Depends(_bearer)], services: Reach) -> User:
    """Whose token came with the request; raises `Unauthenticated` without a good one."""
    if token is None:
        raise Unauthenticated("send a token of POST /auth/token as `Authorization: Bearer …`")
    return await services.user(services.tokens.read(token))


SignedIn = Annotated[User, Depends(signed_in)]


def one_of(*roles: str) -> Callable[[User], User]:
    """A dependency: the signed-in user, who has one of these roles; `admin` has them all."""

    def allowed(user: SignedIn) -> User:
        if not {*roles, "admin"} & set(user.roles):
            raise Forbidden(f"this takes the role {' or '.join(roles)}")
        return user

    return allowed
