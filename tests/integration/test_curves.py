"""Curves, held against the readings that they are of."""

from __future__ import annotations

from datetime import timedelta

from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.readings import NOON, many, publish_readings, reading, readings_of
from warehouse.curves import BUCKETS, Curve, curve
from warehouse.pool import connected, open_pool


async def drawn(settings: Settings, seconds: int) -> Curve:
    pool = await open_pool(settings.database_url)
    async with pool, connected(pool) as connection:
        return await curve(connection, "probe-0", "temperature", NOON, NOON + timedelta(seconds=seconds))


async def test_a_curve_keeps_the_extremes_of_the_newest_values(settings: Settings) -> None:
    second = timedelta(seconds=1)
    publish_readings(settings, many(2_000, sensors=1))
    # One again, and one with another value; each is the newer one.
    publish_readings(settings, [reading("probe-0", at=NOON + 3 * second, value=3.0)])
    publish_readings(settings, [reading("probe-0", at=NOON + 1_000 * second, value=-5.0)])
    brisk = settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.5, "lake_flush_s": 0.0})
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")

    found = await drawn(settings, 1_499)
    assert (found.readings, found.repeated, found.revised) == (1_502, 1, 1)
    assert list(found.times) == sorted(set(found.times))
    assert len(found.times) <= 2 * BUCKETS
    points = dict(zip(found.times, found.values, strict=True))
    assert points[NOON + 1_000 * second] == min(found.values) == -5.0
    assert points[NOON + 1_499 * second] == max(found.values) == 1_499.0
    assert all(value == (at - NOON) / second for at, value in points.items() if value >= 0)

    short = await drawn(settings, 9)
    assert short == Curve(tuple(NOON + i * second for i in range(10)), tuple(map(float, range(10))), 11, 1)


async def test_a_sensor_that_nobody_heard_of_has_no_curve(settings: Settings) -> None:
    assert await drawn(settings, 60) == Curve((), ())
