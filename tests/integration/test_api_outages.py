"""The API while a server that it needs is away."""

from __future__ import annotations

import time

import httpx

from tests.api import Api, assert_problem
from tests.readings import reading
from tests.servers import Servers

ORDER = {"sku": "TMP-100", "quantity": 1}


async def test_while_kafka_is_away_orders_are_taken_and_uploads_told_to_retry(api: Api, servers: Servers) -> None:
    assert (await api("POST", "/sensors/data", "gateway", json=[reading()])).status_code == 202
    servers.kafka.kill()
    for _ in range(2):
        began = time.monotonic()
        refused = await api("POST", "/sensors/data", "gateway", json=[reading()])
        assert time.monotonic() - began < 2
        assert "Kafka" not in assert_problem(refused, 503)["detail"]
        assert int(refused.headers["retry-after"]) > 0
    assert (await api("POST", "/orders/", "ada", json=ORDER)).status_code == 201
    assert (await api("GET", "/readyz")).status_code == 200
    servers.kafka.start()
    assert (await retried(api)).status_code == 202


async def test_while_postgres_is_away_uploads_are_taken_and_the_rest_told_to_retry(api: Api, servers: Servers) -> None:
    assert (await api("POST", "/sensors/data", "gateway", json=[reading()])).status_code == 202
    gateway, ada = ({"authorization": f"Bearer {api.token(user)}"} for user in ("gateway", "ada"))
    servers.postgres.kill()
    assert_problem(await api("GET", "/readyz"), 503)
    assert (await api("GET", "/livez")).status_code == 200
    refused = await api("POST", "/orders/", headers=ada, json=ORDER)
    assert "Postgres" not in assert_problem(refused, 503)["detail"]
    # Who was seen lately is still known.
    assert (await api("POST", "/sensors/data", headers=gateway, json=[reading()])).status_code == 202
    servers.postgres.start()
    assert (await api("POST", "/orders/", headers=ada, json=ORDER)).status_code == 201
    assert api.rows("select count(*) from orders") == [(1,)]


async def retried(api: Api) -> httpx.Response:
    """The upload, sent again until it is taken: Kafka's own recovery takes some seconds."""
    give_up_at = time.monotonic() + 30
    while True:
        response = await api("POST", "/sensors/data", "gateway", json=[reading()])
        if response.status_code != 503 or time.monotonic() > give_up_at:
            return response
