"""The dashboard's endpoints and page on real servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from infra.examples import load, shifted_to_end_at
from sensorhouse.settings import Settings
from sensors_io.arrow_codec import encode
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from sensors_io.reading import ARROW
from tests.api import Api, assert_problem, serving
from tests.episodes import mark_episode
from tests.readings import feeds, publish
from warehouse.curves import curve
from warehouse.episodes import newest
from warehouse.pool import connected

ROWS = 1127


def drain_example(settings: Settings) -> None:
    """A real recording, ending now, through Kafka into the warehouse."""
    recording = shifted_to_end_at(load("speed_7578"), datetime.now(UTC).replace(microsecond=0))
    publish(settings, settings.readings_topic, [(encode(recording), 0), (b"broken", 1)], ARROW)
    brisk = settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.5, "lake_flush_s": 0.0})
    drain(brisk, feeds(brisk)["readings"], open_lake(brisk), run_id="test")


async def test_metrics_follow_the_readings_and_orders(api: Api) -> None:
    order = {"sku": "TMP-100", "quantity": 3}
    assert (await api("POST", "/orders/", "ada", json=order)).status_code == 201
    drain_example(api.settings)
    seen = (await api("GET", "/dashboard/metrics", "vera")).json()
    assert seen["readings_stored"] == ROWS
    assert seen["dead_letters"] == 1
    assert seen["readings_per_s"] == pytest.approx(ROWS / 60)
    assert 0 < seen["freshness_s"] < 60
    assert sum(seen["orders_by_status"].values()) == seen["orders_last_minute"] == 1
    assert seen["outbox_waiting"] == 1
    assert len(seen["rates"]) == 120


async def test_lag_is_what_kafka_holds_and_the_warehouse_does_not(demo: Settings) -> None:
    publish(demo, demo.readings_topic, [(b"{}", 0), (b"{}", 1), (b"{}", 1)])
    async with serving(demo) as api:
        # The metrics wait but a moment for Kafka; the health waits for its answer.
        await api("GET", "/dashboard/health", "vera")
        seen = (await api("GET", "/dashboard/metrics", "vera")).json()
    assert seen["lag"] == {demo.orders_topic: 0, demo.readings_topic: 3}


async def test_health_names_each_part_and_the_reason(api: Api) -> None:
    response = await api("GET", "/dashboard/health", "vera")
    assert response.status_code == 200
    health = response.json()
    parts = {part["name"]: part for part in health["parts"]}
    assert health["status"] == "degraded"
    assert all(parts[name]["healthy"] for name in ("api", "postgres", "kafka", "lake", "drain"))
    assert not parts["relay"]["healthy"]
    # No Dagster and no Superset runs in this test.
    assert not parts["dagster webserver"]["healthy"]
    assert parts["dagster webserver"]["detail"]
    assert not parts["superset"]["healthy"]
    assert parts["superset"]["detail"]
    assert parts["code location"]["detail"] == "unknown: the webserver does not say"


async def test_the_dashboard_is_for_those_who_signed_in(api: Api) -> None:
    for path in ("/dashboard/metrics", "/dashboard/health"):
        assert_problem(await api("GET", path), 401)


async def test_an_episode_is_shown_on_its_sensors_curve(demo: Settings) -> None:
    drain_example(demo)
    async with serving(demo) as api:
        pool = api.app.state.services.pool
        times = [time for (time,) in api.rows("select event_time from readings order by 1")]
        ((sensor_id, metric),) = api.rows("select distinct sensor_id, metric from readings")
        api.rows("delete from episodes returning 1")
        for first, last in ((500, 502), (900, 900)):
            mark_episode(api.settings, sensor_id, times[first], times[last], metric=metric)
        mark_episode(api.settings, sensor_id, times[950], times[950], metric=metric, verdict="withdrawn")
        async with connected(pool) as connection:
            later, older = await newest(connection)
            around = await curve(connection, older.sensor_id, older.metric, *older.surroundings)
    assert (later.started_at, later.ended_at) == (times[900], times[900])
    assert (older.started_at, older.ended_at) == (times[500], times[502])
    assert set(around.times) >= set(times[500:503])
    first, last = older.started_at - timedelta(days=3), older.ended_at + timedelta(days=3)
    assert all(first <= time <= last for time in around.times)


async def test_the_page_asks_for_a_sign_in(api: Api) -> None:
    page = await api("GET", "/")
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in")
    assert_problem(await api("GET", "/_dash-layout"), 401)
    assert_problem(await api("POST", "/_dash-update-component", json={}), 401)
    wrong = await api("POST", "/sign-in", data={"username": "vera", "password": "<not this>"})
    assert wrong.status_code == 401
    assert "wrong username or password" in wrong.text
    done = await api("POST", "/sign-in", data={"username": "vera", "password": "sensorhouse-demo"})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    cookie = done.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=28800" in cookie
    # The client keeps the cookie, as a browser does.
    assert (await api("GET", "/")).status_code == 200
    assert (await api("GET", "/_dash-layout")).status_code == 200
    await api("POST", "/sign-out")
    assert (await api("GET", "/")).status_code == 303


async def test_a_sign_in_leads_to_the_page_that_was_asked_for_and_to_no_other_site(api: Api) -> None:
    asked = await api("GET", "/live/sensors/a%2Fb?metric=speed")
    assert (asked.status_code, asked.headers["location"]) == (
        303,
        "/sign-in?onward=%2Flive%2Fsensors%2Fa%2Fb%3Fmetric%3Dspeed",
    )
    form = await api("GET", asked.headers["location"])
    assert 'value="/live/sensors/a/b?metric=speed"' in form.text
    user = {"username": "vera", "password": "sensorhouse-demo"}
    for onward, location in (("/live/sensors/a", "/live/sensors/a"), ("//elsewhere.example", "/"), ("/docs", "/")):
        done = await api("POST", "/sign-in", data={**user, "onward": onward})
        assert done.headers["location"] == location


@pytest.mark.parametrize(
    ("looked_for", "location"),
    [
        ("probe 1/a", "/live/sensors/probe%201%2Fa"),
        ("0192F5A0-0000-7000-8000-000000000001", "/live/orders/0192f5a0-0000-7000-8000-000000000001"),
        (" ", "/"),
    ],
)
async def test_what_is_looked_for_leads_to_its_page(api: Api, looked_for: str, location: str) -> None:
    found = await api("GET", "/live/find", params={"q": looked_for})
    assert (found.status_code, found.headers["location"]) == (303, location)


async def test_the_page_is_open_when_the_settings_say_so(demo: Settings) -> None:
    async with serving(demo.model_copy(update={"dashboard_sign_in": False})) as api:
        page = await api("GET", "/")
        assert page.status_code == 200
        assert "Sensorhouse" in page.text
        assert (await api("GET", "/_dash-layout")).status_code == 200


async def test_the_page_takes_no_address_of_the_api(api: Api) -> None:
    assert_problem(await api("GET", "/no/such/thing"), 404)
    assert_problem(await api("GET", "/live/orders/none"), 404)
    assert_problem(await api("GET", "/live/elsewhere"), 404)
    assert_problem(await api("DELETE", "/dashboard/metrics", "vera"), 405)
