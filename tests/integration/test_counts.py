"""The counts that the database keeps, held against counting."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest

from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings
from tests.api import Api, serving
from tests.episodes import mark_episode
from tests.servers import Servers
from tests.waiting import wait_until
from warehouse.counts import Counts, counts, forget
from warehouse.database import connect, migrate
from warehouse.pool import connected

MOVES = ("routed", "in_production", "in_test", "shipped", "cancelled")


async def kept(api: Api) -> Counts:
    async with connected(api.app.state.services.pool) as connection:
        return await counts(connection)


def counted(api: Api) -> Counts:
    """The same by counting; nothing in these tests is older than what `lately` means."""
    statuses = dict(api.rows("select status, count(*) from orders group by status"))
    ((standing,),) = api.rows("select count(*) from episodes where verdict is null")
    ((lately,),) = api.rows(
        "select count(*) from episodes where verdict is null and started_at > now() - interval '1 day'"
    )
    placed = sum(statuses.values())
    return Counts(statuses, placed, placed, standing, lately)


async def place(api: Api, dice: Random) -> None:
    quantity = dice.choice((3, 30, 3_000, 3_000_000))
    response = await api("POST", "/orders/", dice.choice(("ada", "gus")), json={"sku": "TMP-100", "quantity": quantity})
    assert response.status_code == 201, response.text
    path = f"/orders/{response.json()['order_id']}"
    for status in (*MOVES[: dice.randrange(len(MOVES))], dice.choice(MOVES)):
        # Many of these are refused, and change nothing.
        await api("PUT", f"{path}/status", "olivia", json={"status": status})


def change_episodes(settings: Settings, seed: int) -> None:
    """Episodes come, are settled, moved and dropped, by several at once; some of it is rolled back or cut off."""
    dice, now = Random(seed), datetime.now(UTC)
    for _ in range(30):
        started_at = now - timedelta(hours=dice.choice((0, 1, 5, 30, 100)))
        ids = [mark_episode(settings, f"probe-{seed}", started_at) for _ in range(3)]
        with suppress(RuntimeError, DependencyDown), connect(settings.database_url) as connection:
            connection.execute(
                "update episodes set verdict = 'withdrawn', settled_at = now() where episode_id = %s", ids[:1]
            )
            connection.execute(
                "update episodes set started_at = started_at - interval '7 hours' where episode_id = %s", ids[1:2]
            )
            connection.execute("delete from episodes where episode_id = %s", ids[2:])
            what = dice.randrange(3)
            if what == 1:
                raise RuntimeError
            if what == 2:
                connection.execute("select pg_terminate_backend(pg_backend_pid())")


@pytest.fixture
async def api_without_limits(demo: Settings) -> Any:
    with connect(demo.database_url) as connection:
        connection.execute("update customers set max_quantity_30_days = 2000000000")
    async with serving(demo) as api:
        yield api


async def test_the_counts_are_those_of_the_tables_after_many_mixed_changes(api_without_limits: Api) -> None:
    api, dice = api_without_limits, Random(1)
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(change_episodes, api.settings, seed) for seed in range(4)]
        await asyncio.gather(*(place(api, dice) for _ in range(80)))
        await asyncio.to_thread(lambda: [other.result() for other in others])
    expected = counted(api)
    assert await kept(api) == expected
    assert len(expected.orders_by_status) > 2
    # A shard for each of those who counted at the same time, not for each who ever did.
    ((shards,),) = api.rows("select max(shard) + 1 from counts")
    assert shards <= 24


async def test_the_counts_are_those_of_the_tables_after_a_server_was_killed(servers: Servers, demo: Settings) -> None:
    async with serving(demo) as api:
        dice = Random(2)
        under_way = [asyncio.create_task(place(api, dice)) for _ in range(200)]
        some = partial(api.rows, "select from orders having count(*) >= 20")
        await asyncio.to_thread(wait_until, some)
        servers.postgres.kill()
        await asyncio.to_thread(servers.start)
        await asyncio.gather(*under_way, return_exceptions=True)
        expected = counted(api)
        assert await kept(api) == expected


async def test_what_was_there_before_anything_was_counted_is_counted_too(api_without_limits: Api) -> None:
    api, dice = api_without_limits, Random(3)
    await asyncio.gather(*(place(api, dice) for _ in range(20)))
    await asyncio.to_thread(change_episodes, api.settings, 3)
    expected = counted(api)
    with connect(api.settings.database_url) as connection:
        connection.execute("drop function count_orders, count_episodes cascade")
        connection.execute("drop function own_shard, add_episodes")
        # With what later migrations made, for they are run again.
        connection.execute("drop table counts, recent_counts, answer_times")
        connection.execute("update alembic_version set version_num = '0012'")
    await asyncio.to_thread(migrate, api.settings.database_url)
    assert await kept(api) == expected


async def test_counts_by_time_are_dropped_when_nobody_adds_to_them_any_more(api: Api) -> None:
    api.rows(
        """
        insert into recent_counts (name, at, shard, count)
        select 'orders placed', now() - make_interval(days => days), 0, 5
        from generate_series(1, 6) as days
        returning 1
        """
    )
    async with connected(api.app.state.services.pool) as connection:
        await forget(connection)
    assert api.rows("select count(*) from recent_counts") == [(2,)]
