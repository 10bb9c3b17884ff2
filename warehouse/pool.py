"""The warehouse's connections for code that runs in an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

import asyncpg

from sensorhouse.errors import DependencyDown, Overloaded

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

CONNECT_WITHIN_S = 3
ANSWER_WITHIN_S = 10
# Who waits for a row that another transaction has locked gives up after this long.
LOCKED_FOR_S = 5
# Longer than an answer may take, so that a rush waits its turn and only a standstill is refused.
WAIT_FOR_A_CONNECTION_S = 15

_DOWN = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


async def open_pool(url: str, *, size: int = 16) -> Pool:
    """A pool that connects when first asked, so that it can be opened while Postgres is away."""
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        timeout=CONNECT_WITHIN_S,
        command_timeout=ANSWER_WITHIN_S,
        # Statements with optional filters (`$1 is null or …`) need a plan made for what was given.
        server_settings={
            "application_name": "sensorhouse",
            "plan_cache_mode": "force_custom_plan",
            "lock_timeout": f"{LOCKED_FOR_S}s",
        },
        init=_read_plain_uuids,
        reset=_leave_as_is,
    )


async def _read_plain_uuids(connection: Connection) -> None:
    # asyncpg's own are a subclass, which orjson refuses.
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=_bytes_of, decoder=_uuid_of, format="binary")


def _bytes_of(value: UUID) -> bytes:
    return value.bytes


def _uuid_of(value: bytes) -> UUID:
    return UUID(bytes=bytes(value))


async def _leave_as_is(_connection: Connection) -> None:
    """No session state is ever set, so resetting it would only cost every request a round trip."""


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[Connection]:
    """A connection from the pool; raises `DependencyDown` when Postgres is away, also in the middle.

    `Overloaded` when another transaction has locked a row for longer than one waits; nothing was kept then.
    """
    try:
        async with pool.acquire(timeout=WAIT_FOR_A_CONNECTION_S) as connection:
            yield connection
    except asyncpg.LockNotAvailableError as error:
        raise Overloaded("other requests hold what this one needs; nothing was kept, so send it again") from error
    except _DOWN as error:
        raise DependencyDown(f"Postgres does not answer: {error!r}") from error
    except asyncpg.InterfaceError as error:
        # Also asyncpg's name for values that don't fit, which are our mistake.
        if isinstance(error, ValueError):
            raise
        raise DependencyDown(f"Postgres went away: {error}") from error


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """The same, in a transaction that commits on leaving.

    `DependencyDown` from the commit itself means: unknown whether it was kept.
    """
    async with connected(pool) as connection, connection.transaction():
        yield connection
