"""What request handlers can reach, and who is asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from anyio import CapacityLimiter
from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from pydantic import TypeAdapter

from agent.policy import Policy
from api.placing import Placing
from api.remembered import Remembered
from api.shared import SharedMemory
from api.tokens import Tokens
from sensorhouse.errors import Forbidden, Unauthenticated
from sensorhouse.settings import Settings
from sensors_io.lake import Lake
from sensors_io.publisher import Publisher
from warehouse.accounts import User, find_user
from warehouse.pool import connected
from warehouse.readings import sensor_types

if TYPE_CHECKING:
    from warehouse.pool import Pool

# A deleted user is out, and a changed role counts, at once: Postgres tells. If its notice is lost, after this long.
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
    placing: Placing
    memory: SharedMemory | None = None
    hashing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    decoding: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    reading_lake: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))

    def __post_init__(self) -> None:
        memory = self.memory
        self.users: Remembered[UUID, User] = Remembered(
            self._find_user,
            fresh_s=lambda: USER_GOOD_FOR_S,
            stale_s=USER_GOOD_FOR_WHILE_DOWN_S,
            most=_USERS_REMEMBERED,
            shared=memory.of("user", TypeAdapter(User)) if memory else None,
        )
        self._sensor_types: Remembered[str, frozenset[str]] = Remembered(
            self._find_sensor_types,
            fresh_s=lambda: SENSOR_TYPES_GOOD_FOR_S,
            stale_s=float("inf"),
            most=1,
            shared=memory.of("sensor_types", TypeAdapter(frozenset[str])) if memory else None,
        )

    async def user(self, user_id: UUID) -> User:
        """The user, as the warehouse knew them at most `USER_GOOD_FOR_S` ago; raises `Unauthenticated` if deleted."""
        return await self.users.get(user_id)

    async def sensor_types(self) -> frozenset[str]:
        """The sensor types whose readings are taken, at most `SENSOR_TYPES_GOOD_FOR_S` old while Postgres answers."""
        return await self._sensor_types.get("all")

    def changed(self, table: str, key: str) -> None:
        """A row that is remembered here has changed."""
        if table == "users":
            self.users.forget(UUID(key))
        else:
            self._sensor_types.forget("all")

    def doubt_all(self) -> None:
        """Anything that is remembered here may have changed."""
        self.users.doubt()
        self._sensor_types.doubt()

    async def _find_user(self, user_id: UUID) -> User:
        async with connected(self.pool) as connection:
            user = await find_user(connection, user_id)
        if user is None:
            raise Unauthenticated("this user no longer exists")
        return user

    async def _find_sensor_types(self, _all: str) -> frozenset[str]:
        async with connected(self.pool) as connection:
            return await sensor_types(connection)


# Async, as all dependencies are: FastAPI would give each one that is not to a thread.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Reach = Annotated[Services, Depends(_services)]

_bearer = OAuth2PasswordBearer(tokenUrl="/auth/token", auto_error=False, description="A token of POST /auth/token.")
_Token = Annotated[str | None, Depends(_bearer)]


async def signed_in(request: Request, token: _Token) -> User:
    """Whose token came with the request; raises `Unauthenticated` without a good one."""
    if token is None:
        raise Unauthenticated("send a token of POST /auth/token as `Authorization: Bearer …`")
    services: Services = request.app.state.services
    return await services.user(services.tokens.read(token))


SignedIn = Annotated[User, Depends(signed_in)]


def one_of(*roles: str) -> Callable[[Request, str | None], Awaitable[User]]:
    """A dependency: the signed-in user, who has one of these roles; `admin` has them all."""
    may = {*roles, "admin"}

    async def allowed(request: Request, token: _Token) -> User:
        # Called, not depended on: each dependency costs a request more than what it does.
        user = await signed_in(request, token)
        if may.isdisjoint(user.roles):
            raise Forbidden(f"this takes the role {' or '.join(roles)}")
        return user

    return allowed
