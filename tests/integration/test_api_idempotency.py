"""Requests that are repeated: each is carried out once, and each repeat gets the first answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest
from psycopg import Connection

from api import placing
from sensorhouse.settings import Settings
from tests.api import Api, assert_problem, serving
from warehouse.database import connect

WANTED = {"sku": "TMP-100", "quantity": 5}


async def ordered(api: Api, key: str | None, user: str = "ada", **more: object) -> httpx.Response:
    return await api("POST", "/orders/", user, headers={"idempotency-key": key}, json=WANTED | more)


async def test_an_order_without_a_key_is_refused(api: Api) -> None:
    problem = assert_problem(await ordered(api, None), 400)
    assert problem["title"] == "Idempotency-Key is missing"
    assert api.rows("select from orders") == []


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "k\u00e9y", "a\tb"])
async def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    answer = await api("POST", "/orders/", "ada", headers={"idempotency-key": key.encode()}, json=WANTED)
    assert_problem(answer, 422)


async def test_a_repeat_gets_the_same_answer_and_is_told_so(api: Api) -> None:
    first, again = await ordered(api, "k-1"), await ordered(api, "k-1")
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert [first.headers[name] for name in ("location", "etag")] == [again.headers[n] for n in ("location", "etag")]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(api.rows("select from orders")) == len(api.rows("select from outbox")) == 1


async def test_the_repeat_is_answered_as_the_first_was_whatever_became_of_the_order(api: Api) -> None:
    first = await ordered(api, "k-1")
    path = first.headers["location"]
    assert (await api("PUT", f"{path}/status", "ada", json={"status": "cancelled"})).status_code == 200
    assert (await ordered(api, "k-1")).json() == first.json()
    assert (await api("GET", path, "ada")).json()["status"] == "cancelled"


async def test_quotes_around_a_key_are_not_part_of_it(api: Api) -> None:
    bare, quoted = await ordered(api, "k-1"), await ordered(api, '"k-1"')
    assert bare.json() == quoted.json()


async def test_a_key_that_stood_for_another_payload_is_refused(api: Api) -> None:
    assert (await ordered(api, "k-1")).status_code == 201
    problem = assert_problem(await ordered(api, "k-1", quantity=6), 422)
    assert problem["title"] == "Idempotency-Key is already used"
    assert len(api.rows("select from orders")) == 1


async def test_the_same_key_of_another_user_is_another_request(api: Api) -> None:
    ada, gus = await ordered(api, "k-1"), await ordered(api, "k-1", "gus", quantity=6)
    assert ada.json()["order_id"] != gus.json()["order_id"]


async def test_what_validation_refuses_is_not_kept_under_the_key(api: Api) -> None:
    assert_problem(await ordered(api, "k-1", quantity=0), 422)
    assert_problem(await ordered(api, "k-2", "olivia", customer_id="nobody"), 422)
    assert (await ordered(api, "k-1")).status_code == 201
    assert (await ordered(api, "k-2", "olivia", customer_id="acme")).status_code == 201


async def test_what_the_policy_rejects_is_an_outcome_and_is_repeated(api: Api) -> None:
    first, again = await ordered(api, "k-1", sku="NOPE"), await ordered(api, "k-1", sku="NOPE")
    assert first.json()["status"] == "rejected"
    assert first.content == again.content


async def test_after_its_hours_a_key_is_free_again(api: Api) -> None:
    first = await ordered(api, "k-1")
    api.rows("update idempotency_keys set created_at = created_at - interval '25 hours' returning 1")
    again = await ordered(api, "k-1", quantity=6)
    assert again.status_code == 201
    assert again.json()["order_id"] != first.json()["order_id"]
    assert len(api.rows("select from idempotency_keys")) == 1


async def test_a_move_with_a_key_is_made_once_and_answered_twice(api: Api) -> None:
    path = (await ordered(api, "k-1")).headers["location"]

    async def route(status: str = "routed") -> httpx.Response:
        headers = {"if-match": '"1"', "idempotency-key": "m-1"}
        return await api("PUT", f"{path}/status", "olivia", headers=headers, json={"status": status})

    answers = await asyncio.gather(route(), route(), route())
    assert [answer.status_code for answer in answers] == [200] * 3
    assert Counter(answer.headers.get("idempotent-replayed") for answer in answers) == {None: 1, "true": 2}
    assert api.rows("select version from orders") == [(2,)]
    assert_problem(await route("cancelled"), 422)


async def test_a_repeat_waits_for_the_first_and_then_tells_that_it_is_under_way(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "REPEAT_WAITS_S", 0.3)
    with connect(api.settings.database_url) as elsewhere:
        hold(elsewhere, "acme")
        first = asyncio.create_task(ordered(api, "k-1"))
        await asyncio.sleep(0.1)
        problem = assert_problem(await ordered(api, "k-1"), 409)
        assert problem["title"] == "A request is outstanding for this Idempotency-Key"
        elsewhere.rollback()
    answer = await first
    assert answer.status_code == 201
    assert (await ordered(api, "k-1")).content == answer.content


async def test_an_order_that_can_not_be_written_fails_alone(api: Api) -> None:
    """Somebody holds globex for long: what was flushed together with its order does not wait for that."""
    with connect(api.settings.database_url) as elsewhere:
        hold(elsewhere, "globex")
        held = asyncio.create_task(ordered(api, str(uuid4()), "gus"))
        others = await asyncio.wait_for(asyncio.gather(*(ordered(api, str(uuid4())) for _ in range(20))), 4)
        assert [answer.status_code for answer in others] == [201] * 20
        assert not held.done()
        problem = assert_problem(await held, 503)
        assert "nothing was kept" in problem["detail"]
    assert api.rows("select distinct customer_id from orders") == [("acme",)]


async def test_orders_beyond_the_queue_are_told_to_come_again_and_cost_nothing(demo: Settings) -> None:
    small = demo.model_copy(update={"order_queue": 5})
    async with serving(small) as api:
        with connect(demo.database_url) as elsewhere:
            hold(elsewhere, "acme")
            waiting = [asyncio.create_task(ordered(api, str(uuid4()))) for _ in range(5)]
            await until_waiting(api, 5)
            # Not even a token is looked at.
            answer = await api("POST", "/orders/", json=WANTED)
            assert_problem(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
            elsewhere.rollback()
        assert [(await answer).status_code for answer in waiting] == [201] * 5
        assert (await ordered(api, "later")).status_code == 201


async def test_what_was_taken_is_written_before_the_api_ends(demo: Settings) -> None:
    async with serving(demo) as api:
        with connect(demo.database_url) as elsewhere:
            hold(elsewhere, "acme")
            answers = [asyncio.create_task(ordered(api, str(uuid4()))) for _ in range(50)]
            await until_waiting(api, 50)
    assert {(await answer).status_code for answer in answers} == {201}
    assert len(api.rows("select from orders")) == 50


async def until_waiting(api: Api, count: int) -> None:
    async with asyncio.timeout(10):
        while api.app.state.services.placing.waiting < count:  # noqa: ASYNC110 - an event only for tests would be worse
            await asyncio.sleep(0.01)


def hold(connection: Connection[Any], customer_id: str) -> None:
    """Lock the customer until the connection's transaction ends."""
    connection.execute("select from customers where customer_id = %s for update", [customer_id])
