"""Adds how long answers took to the warehouse now and then, where marts and dashboards find it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from api import measures
from sensorhouse.errors import DependencyDown, Overloaded
from warehouse import answer_times
from warehouse.answer_times import Times
from warehouse.pool import transaction

if TYPE_CHECKING:
    from warehouse.pool import Pool

ADD_EVERY_S = 15.0

log = structlog.get_logger()


async def add_now_and_then(pool: Pool) -> None:
    """Until cancelled; while Postgres is away it waits, and adds it all later."""
    added: Times = measures.answer_times()
    while True:
        await asyncio.sleep(ADD_EVERY_S)
        try:
            added = await add_new(pool, added)
        except (DependencyDown, Overloaded) as error:
            log.warning("could_not_add_answer_times", error=str(error))


async def add_new(pool: Pool, added: Times) -> Times:
    """Add what came since `added`; returns what is added now."""
    now = measures.answer_times()
    if new := {key: count - added.get(key, 0) for key, count in now.items() if count > added.get(key, 0)}:
        async with transaction(pool) as connection:
            await answer_times.add(connection, new)
    return now
