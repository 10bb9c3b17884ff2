"""Two processes of the API that share what they remember of Postgres through Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from api import context
from sensorhouse.settings import Settings
from tests.api import Api, serving
from tests.readings import reading
from tests.servers import Server, Servers


@pytest.fixture
async def both(demo: Settings, redis: Server) -> AsyncIterator[tuple[Api, Api]]:
    """Two apps, both listening to Postgres, and Redis told so."""
    settings = demo.model_copy(update={"redis_url": SecretStr(redis.part.address)})
    async with serving(settings) as first, serving(settings) as second:
        async with asyncio.timeout(10):
            while not (is_settled(first) and is_settled(second)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        yield first, second


def is_settled(api: Api) -> bool:
    memory = api.app.state.services.memory
    return bool(memory._heard > 1 and memory._told == memory._heard)


def signed_in(api: Api, user: str) -> dict[str, str]:
    return {"authorization": f"Bearer {api.token(user)}"}


async def both_answer(both: tuple[Api, Api], status: int, headers: dict[str, str]) -> None:
    """They do, long before anything that is remembered is too old."""
    async with asyncio.timeout(context.USER_GOOD_FOR_S / 2):
        for api in both:
            while (await api("GET", "/orders/", headers=headers)).status_code != status:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_whom_one_process_knows_the_other_lets_in_while_postgres_is_away(
    both: tuple[Api, Api], servers: Servers
) -> None:
    first, second = both
    gateway, olivia = (signed_in(first, user) for user in ("gateway", "olivia"))
    assert (await first("POST", "/sensors/data", headers=gateway, json=[reading()])).status_code == 202
    servers.postgres.kill()
    assert (await second("POST", "/sensors/data", headers=gateway, json=[reading()])).status_code == 202
    assert (await second("POST", "/sensors/data", headers=olivia, json=[reading()])).status_code == 503


async def test_a_role_that_is_taken_away_and_a_user_that_is_deleted_count_at_once_in_both(
    both: tuple[Api, Api],
) -> None:
    first, _ = both
    vera = signed_in(first, "vera")
    await both_answer(both, 200, vera)
    first.rows("update users set roles = '{device}' where username = 'vera' returning 1")
    await both_answer(both, 403, vera)
    first.rows("update users set roles = '{viewer}' where username = 'vera' returning 1")
    await both_answer(both, 200, vera)
    first.rows("delete from users where username = 'vera' returning 1")
    await both_answer(both, 401, vera)


async def test_while_redis_is_away_both_go_on_and_changes_still_count(both: tuple[Api, Api], redis: Server) -> None:
    first, second = both
    vera = signed_in(first, "vera")
    await both_answer(both, 200, vera)
    redis.kill()
    first.rows("update users set roles = '{device}' where username = 'vera' returning 1")
    await both_answer(both, 403, vera)
    assert (await second("GET", "/orders/", "ada")).status_code == 200
    redis.start()
    first.rows("update users set roles = '{viewer}' where username = 'vera' returning 1")
    await both_answer(both, 200, vera)
