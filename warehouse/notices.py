"""Postgres' notices of rows that changed, for those who remember such rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import structlog

from warehouse.pool import CONNECT_WITHIN_S

CHANNEL = "sensorhouse_changed"
_AGAIN_AFTER_S = 1.0
_STILL_THERE_EVERY_S = 30.0

log = structlog.get_logger()


@asynccontextmanager
async def listening(
    url: str, changed: Callable[[str, str], None], *, missed: Callable[[], None]
) -> AsyncIterator[None]:
    """For as long as the block lasts, `changed` hears table and key of each change.

    `missed` is called when notices may have been lost: when listening begins, and when it begins again.
    """
    task = asyncio.create_task(_listen_for_ever(url, changed, missed))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _listen_for_ever(url: str, changed: Callable[[str, str], None], missed: Callable[[], None]) -> None:
    def hear(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        table, _, key = str(payload).partition(":")
        changed(table, key)

    while True:
        try:
            connection = await asyncpg.connect(url, timeout=CONNECT_WITHIN_S)
            try:
                await connection.add_listener(CHANNEL, hear)
                missed()
                while not connection.is_closed():
                    await connection.execute("select 1", timeout=CONNECT_WITHIN_S)
                    await asyncio.sleep(_STILL_THERE_EVERY_S)
            finally:
                connection.terminate()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.debug("not_listening", error=repr(error))
        await asyncio.sleep(_AGAIN_AFTER_S)
