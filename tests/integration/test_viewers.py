"""Many who watch the live pages cost the warehouse what one does."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.api import Api, serving
from tests.dash import Browser, sign_in
from tests.episodes import mark_episode
from tests.readings import NOON, many, publish_readings, readings_of

SECONDS = 6.0


class CountingPool:
    """The pool, and how often a connection was asked of it."""

    def __init__(self, pool: Any) -> None:
        self._pool, self.asked = pool, 0

    def acquire(self, **how: Any) -> Any:
        self.asked += 1
        return self._pool.acquire(**how)


async def watch_all(page: Browser, order_id: str, episode: str) -> None:
    """All pages of somebody who looks at everything, every two seconds."""
    ends_at = time.monotonic() + SECONDS
    holds = {
        "episode.options": [],
        "episode.value": episode,
        "sensor.data": {"sensor_id": "probe-1", "episode": None},
        "sensor-metric.value": "temperature",
        "sensor-range.value": "day",
        "order.data": order_id,
    }
    outputs = (
        "taken-at.data",
        "tiles.children",
        "curve.figure",
        "sensor-told.children",
        "sensor-curve.figure",
        "order-facts.children",
    )
    while time.monotonic() < ends_at:
        for output in outputs:
            assert await page.ask(output, holds)
        await asyncio.sleep(2)


async def asked_by(api: Api, viewers: int, order_id: str, episode: str) -> int:
    """How often the warehouse is asked while so many watch."""
    services, dashboard = api.app.state.services, api.app.state.dashboard
    counting = CountingPool(services.pool)
    page = await sign_in(api)
    services.pool = dashboard._pool = dashboard.details._pool = counting
    await asyncio.gather(*(watch_all(page, order_id, episode) for _ in range(viewers)))
    services.pool = dashboard._pool = dashboard.details._pool = counting._pool
    return counting.asked


async def test_two_hundred_viewers_ask_the_warehouse_no_more_than_one_does(demo: Settings) -> None:
    publish_readings(demo, many(200))
    brisk = demo.model_copy(update={"linger_s": 0.0, "slice_s": 0.5, "lake_flush_s": 0.0})
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")
    episode = mark_episode(demo, "probe-1", NOON)
    async with serving(demo) as api:
        order = (await api("POST", "/orders/", "ada", json={"sku": "TMP-100", "quantity": 3})).json()
        one = await asked_by(api, 1, order["order_id"], episode)
        many_more = await asked_by(api, 200, order["order_id"], episode)
    assert one >= 10
    # What is remembered for a second or some is asked for once in that time, whoever asks, and one asks less often.
    assert many_more <= 3 * one
