"""Postgres' notices of rows that changed, for those who remember such rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import structlog

from warehouse.pool import CONNECT_WITHIN_S

CHANNEL = "sensorhouse_changed"
_AGAIN_AFTER_S = 1.0
_STILL_THERE_EVERY_S = 30.0

log = structlog.get_logger()


async def listen(url: str, changed: Callable[[str, str], None], *, missed: Callable[[], None]) -> None:
    """Until cancelled, tell `changed` the table and key of each change.

    `missed` is called when notices may have been lost: when listening begins, and when it begins again.
    """

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
