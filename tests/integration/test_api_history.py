"""Readings older than the hot window, which come from the lake, against the same ones from the warehouse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import polars as pl
import pytest

from api.reading_pages import CSV, READING_TYPES
from assets.judging import judge_keys
from assets.partition_keys import Key
from assets.staged_keys import stage_keys
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from sensors_io.reading import ARROW, JSON
from tests.api import Api, assert_problem, serving
from tests.episodes import steady
from tests.readings import NOON, many, publish_readings, reading, readings_of, warehouse_rows
from tests.servers import Servers

OLD = NOON - timedelta(days=100)
BRISK = {"slice_s": 0.2, "lake_flush_s": 0.0, "linger_s": 0.0}
# From NOON's day on the warehouse answers, whenever this runs in the weeks after; anything before is cold.
SENT = [
    *many(20, sensors=3, start=OLD - timedelta(days=60)),
    *steady("steady", until=OLD + timedelta(days=1)),
    reading("steady", at=OLD + timedelta(days=1), value=99.0, quality=3, station="s", attributes={"a": [1]}),
    reading("only-old", at=OLD, value=1.0),
    reading("only-old", at=OLD, value=1.0),
    reading("only-old", at=OLD, value=2.0),
    reading("gauge", at=OLD, sensor_type="pressure", metric="pressure", unit="bar"),
    *many(20, sensors=3),
    reading("only-new"),
]


@pytest.fixture
def filled(demo: Settings) -> Settings:
    """Everything drained, staged and judged; the warehouse keeps all of it."""
    brisk = demo.model_copy(update=BRISK)
    publish_readings(brisk, SENT)
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")
    touched = warehouse_rows(brisk, "select distinct sensor_type, day from touched_keys")
    keys = [Key(*row) for row in touched]
    list(stage_keys(brisk, open_lake(brisk), keys))
    list(judge_keys(brisk, open_lake(brisk), keys))
    return demo


@pytest.fixture
async def both(filled: Settings) -> AsyncIterator[tuple[Api, Api]]:
    """An API to which nothing is cold, and one to which all that is older than NOON's day is, whatever today is."""
    (days,) = warehouse_rows(filled, "select (now() at time zone 'UTC')::date - '2026-11-20'::date")[0]
    async with (
        serving(filled.model_copy(update={"hot_days": 4000})) as warm,
        serving(filled.model_copy(update={"hot_days": max(days, 1)})) as cold,
    ):
        yield warm, cold


async def asked(api: Api, path: str, **query: object) -> dict[str, Any]:
    response = await api("GET", path, "vera", params={name: str(value) for name, value in query.items()})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def pages(api: Api, path: str, **query: object) -> list[dict[str, Any]]:
    """Every item, page by page."""
    items: list[dict[str, Any]] = []
    while True:
        page = await asked(api, path, **query)
        items += page["items"]
        if page["next"] is None:
            return items
        query["cursor"] = page["next"]


QUERIES: list[dict[str, object]] = [
    {},
    {"sensor_id": "probe-0"},
    {"sensor_id": "only-old"},
    {"sensor_type": "pressure"},
    {"metric": "temperature"},
    {"start": OLD, "end": OLD + timedelta(minutes=30)},
    {"end": OLD},
    {"start": NOON},
]


async def test_old_readings_come_back_as_the_warehouse_would_give_them(both: tuple[Api, Api]) -> None:
    warm, cold = both
    for query in QUERIES:
        expected = await pages(warm, "/sensors/data", **query)
        assert await pages(cold, "/sensors/data", **query, limit=7) == expected, query
        assert await pages(cold, "/sensors/data", **query, limit=10_000) == expected, query
    anomalous = await pages(warm, "/sensors/data", anomalies_only=True)
    assert [item["value"] for item in anomalous] == [99.0]
    assert await pages(cold, "/sensors/data", anomalies_only=True) == anomalous


@pytest.mark.parametrize("kind", READING_TYPES)
async def test_pages_of_every_form_go_from_the_lake_on_into_the_warehouse(both: tuple[Api, Api], kind: str) -> None:
    def bodies_of(response: httpx.Response) -> list[bytes]:
        if kind == ARROW:
            return [repr(row).encode() for row in pl.read_ipc_stream(response.content).rows()]
        if kind == JSON:
            return [json.dumps(item).encode() for item in response.json()["items"]]
        return response.content.splitlines()[kind == CSV :]

    warm, cold = both
    rows = {}
    for api, limit in ((warm, 10_000), (cold, 7), (cold, 10_000)):
        path: str | None = f"/sensors/data?limit={limit}"
        found: list[bytes] = []
        while path:
            response = await api("GET", path, "vera", headers={"accept": kind})
            found += bodies_of(response)
            path = response.links.get("next", {}).get("url")
        rows[api.settings.hot_days, limit] = found
    expected, *others = rows.values()
    assert len(expected) > 90
    assert others == [expected, expected]


async def test_statistics_are_those_of_old_and_new_readings_together(both: tuple[Api, Api]) -> None:
    warm, cold = both
    for query in QUERIES:
        expected = await pages(warm, "/sensors/stats", **query)
        for limit in (1, 1000):
            found = await pages(cold, "/sensors/stats", **query, limit=limit)
            assert found == [pytest.approx(item) for item in expected], query


async def test_old_readings_are_not_asked_of_the_warehouse(both: tuple[Api, Api]) -> None:
    warm, cold = both
    expected = await pages(warm, "/sensors/data")
    await asyncio.to_thread(
        warehouse_rows, cold.settings, "delete from reading_chunks where day < '2026-11-20' returning 1"
    )
    assert await pages(cold, "/sensors/data", limit=7) == expected
    assert len(await pages(warm, "/sensors/data")) < len(expected)


@pytest.mark.timeout(300)
async def test_while_the_lake_is_away_old_readings_are_refused_and_new_ones_are_not(
    both: tuple[Api, Api], servers: Servers
) -> None:
    _, cold = both
    servers.s3.kill()
    assert_problem(await cold("GET", "/sensors/data", "vera", params={"sensor_id": "only-old"}), 503)
    assert_problem(await cold("GET", "/sensors/stats", "vera"), 503)
    assert [item["sensor_id"] for item in await pages(cold, "/sensors/data", sensor_id="only-new", start=NOON)]
