"""Units of an order, and what the readings that their sensors send in the test say of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.api import Api, assert_problem
from tests.episodes import mark_episode
from tests.readings import publish_readings, reading, readings_of

LINE = "dresden-1"


async def in_production(api: Api, quantity: int = 10, user: str = "ada") -> str:
    """The path of an order of temperature probes, -40 to 120 F, that is in production."""
    response = await api("POST", "/orders/", user, json={"sku": "TMP-100", "quantity": quantity})
    path = f"/orders/{response.json()['order_id']}"
    for status in ("routed", "in_production"):
        assert (await api("PUT", f"{path}/status", "olivia", json={"status": status})).status_code == 200
    return path


async def enter(api: Api, path: str, *sensor_ids: str, user: str = "olivia", line_id: str = LINE) -> httpx.Response:
    return await api("POST", f"{path}/units", user, json={"sensor_ids": sensor_ids, "line_id": line_id})


async def entered(api: Api, path: str, *sensor_ids: str) -> list[dict[str, Any]]:
    response = await enter(api, path, *sensor_ids)
    assert response.status_code == 201, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def units_of(api: Api, path: str, query: str = "", user: str = "ada") -> dict[str, dict[str, Any]]:
    response = await api("GET", f"{path}/units{query}", user)
    assert response.status_code == 200, response.text
    return {unit["sensor_id"]: unit for unit in response.json()["items"]}


async def counts_of(api: Api, path: str) -> dict[str, Any]:
    counts: dict[str, Any] = (await api("GET", path, "ada")).json()["units"]
    return counts


def take_in(api: Api, *readings: dict[str, Any]) -> None:
    """Publish the readings and drain them."""
    settings = api.settings.model_copy(update={"slice_s": 0.1, "lake_flush_s": 0.0, "linger_s": 0.0})
    publish_readings(settings, readings)
    drain(settings, readings_of(settings), open_lake(settings), run_id="test")


def measured(sensor: str, value: float, *, at: datetime | None = None, unit: str = "F") -> dict[str, Any]:
    return reading(sensor, at=at or datetime.now(UTC), value=value, unit=unit)


async def test_units_are_entered_once_however_often_they_are_named(api: Api) -> None:
    path = await in_production(api)
    first = await entered(api, path, "tmp-2", "tmp-1", "tmp-1")
    assert [unit["sensor_id"] for unit in first] == ["tmp-1", "tmp-2"]
    assert {(unit["line_id"], unit["result"], unit["readings"]) for unit in first} == {(LINE, "untested", 0)}
    again = await entered(api, path, "tmp-1", "tmp-2", "tmp-3")
    assert again[:2] == first
    assert list(await units_of(api, path)) == ["tmp-1", "tmp-2", "tmp-3"]
    assert await counts_of(api, path) == {"built": 3, "passed": 0, "failed": 0, "untested": 3, "yield": None}


async def test_a_serial_belongs_to_one_order(api: Api) -> None:
    one, other = await in_production(api), await in_production(api, user="gus")
    await entered(api, one, "tmp-1")
    problem = assert_problem(await enter(api, other, "tmp-0", "tmp-1"), 409)
    assert "tmp-1" in problem["detail"]
    assert await units_of(api, other, user="gus") == {}


async def test_there_are_never_more_units_than_were_ordered(api: Api) -> None:
    path = await in_production(api, quantity=5)
    answers = await asyncio.gather(*(enter(api, path, f"tmp-{at}a", f"tmp-{at}b") for at in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409]
    assert (await counts_of(api, path))["built"] == 4


async def test_orders_that_name_the_same_serials_at_once_share_none(api: Api) -> None:
    paths = [await in_production(api) for _ in range(4)]
    serials = [f"tmp-{at}" for at in range(10)]
    answers = await asyncio.gather(
        *(enter(api, path, *serials[:: 1 if at % 2 else -1]) for at, path in enumerate(paths))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert api.rows("select count(*), count(distinct order_id) from units") == [(10, 1)]


async def test_units_are_entered_while_an_order_is_in_production_or_in_test(api: Api) -> None:
    accepted = (await api("POST", "/orders/", "ada", json={"sku": "TMP-100", "quantity": 10})).json()["order_id"]
    assert_problem(await enter(api, f"/orders/{accepted}", "tmp-1"), 409)
    path = await in_production(api)
    await api("PUT", f"{path}/status", "olivia", json={"status": "in_test"})
    await entered(api, path, "tmp-1")
    await api("PUT", f"{path}/status", "olivia", json={"status": "shipped"})
    assert_problem(await enter(api, path, "tmp-2"), 409)
    assert (await counts_of(api, path))["built"] == 1


async def test_who_may_enter_units_and_see_them(api: Api) -> None:
    path = await in_production(api)
    for user in ("ada", "vera", "paul", "gateway"):
        assert_problem(await enter(api, path, "tmp-1", user=user), 403)
    assert (await enter(api, path, "tmp-1", user="root")).status_code == 201
    for user in ("ada", "olivia", "paul", "vera", "root"):
        assert list(await units_of(api, path, user=user)) == ["tmp-1"]
    assert_problem(await api("GET", f"{path}/units", "gus"), 404)
    assert_problem(await api("GET", f"{path}/units", "gateway"), 403)


@pytest.mark.parametrize(
    "body",
    [
        {"sensor_ids": [], "line_id": LINE},
        {"sensor_ids": [f"tmp-{at}" for at in range(1001)], "line_id": LINE},
        {"sensor_ids": ["tmp-1"], "line_id": "nowhere"},
        {"sensor_ids": ["tmp-1"], "line_id": "dresden-2"},
        {"sensor_ids": ["tmp\u0000"], "line_id": LINE},
    ],
)
async def test_units_that_can_not_be_are_refused(api: Api, body: dict[str, Any]) -> None:
    path = await in_production(api)
    assert_problem(await api("POST", f"{path}/units", "olivia", json=body), 422)


async def test_a_unit_passes_or_fails_by_its_own_readings(api: Api) -> None:
    path = await in_production(api)
    await entered(api, path, "good", "hot", "cold", "idle")
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    take_in(api, *(measured("good", value) for value in (-40, 70, 120)))
    take_in(
        api,
        measured("hot", 70),
        measured("hot", 131.2, at=at),
        measured("cold", -40.5, at=at),
        measured("stranger", 500),
    )
    units = await units_of(api, path)
    assert {name: (unit["result"], unit["readings"]) for name, unit in units.items()} == {
        "good": ("passed", 3),
        "hot": ("failed", 2),
        "cold": ("failed", 1),
        "idle": ("untested", 0),
    }
    assert units["hot"]["reasons"] == [f"value 131.2 F above spec_max 120 at {at:%Y-%m-%dT%H:%M:%SZ}"]
    assert units["cold"]["reasons"] == [f"value -40.5 F below spec_min -40 at {at:%Y-%m-%dT%H:%M:%SZ}"]
    assert units["good"]["reasons"] == units["idle"]["reasons"] == []
    assert await counts_of(api, path) == {"built": 4, "passed": 1, "failed": 2, "untested": 1, "yield": 1 / 3}


async def test_readings_of_another_time_or_in_another_unit_of_measurement_are_no_test(api: Api) -> None:
    take_in(api, measured("tmp-1", 500))
    path = await in_production(api)
    await entered(api, path, "tmp-1")
    take_in(api, measured("tmp-1", 500, at=datetime.now(UTC) - timedelta(hours=1)), measured("tmp-1", 500, unit="C"))
    assert (await units_of(api, path))["tmp-1"]["result"] == "untested"


async def test_a_value_that_is_revised_counts_as_revised(api: Api) -> None:
    path = await in_production(api)
    await entered(api, path, "mended", "spoilt")
    at = datetime.now(UTC)
    take_in(api, measured("mended", 500, at=at), measured("spoilt", 70, at=at))
    assert (await units_of(api, path))["mended"]["result"] == "failed"
    take_in(api, measured("mended", 70, at=at), measured("spoilt", 500, at=at))
    later = at + timedelta(seconds=1)
    take_in(api, measured("mended", 500, at=later), measured("mended", 70, at=later))
    assert {name: unit["result"] for name, unit in (await units_of(api, path)).items()} == {
        "mended": "passed",
        "spoilt": "failed",
    }


async def test_an_episode_that_stands_fails_a_unit(api: Api) -> None:
    path = await in_production(api)
    names = ["shifted", "withdrawn", "dropped", "earlier", "untested"]
    await entered(api, path, *names)
    take_in(api, *(measured(name, 70) for name in names[:-1]))
    at = datetime.now(UTC) + timedelta(minutes=1)
    mark_episode(api.settings, "shifted", at, kind="spike", verdict="corrected")
    mark_episode(api.settings, "shifted", at, kind="shift")
    mark_episode(api.settings, "withdrawn", at, kind="shift", verdict="withdrawn")
    mark_episode(api.settings, "dropped", at, kind="drop_out")
    mark_episode(api.settings, "earlier", at - timedelta(hours=1), kind="shift")
    mark_episode(api.settings, "untested", at, kind="shift")
    units = await units_of(api, path)
    assert {name: units[name]["result"] for name in names} == {
        "shifted": "failed",
        "withdrawn": "passed",
        "dropped": "passed",
        "earlier": "passed",
        "untested": "untested",
    }
    assert units["shifted"]["reasons"] == [f"episode: shift at {at:%Y-%m-%dT%H:%M:%SZ}"]
    assert [units[name]["reasons"] for name in names[1:]] == [[], [], [], []]


async def test_pages_hold_every_unit_once(api: Api) -> None:
    path = await in_production(api)
    await entered(api, path, *(f"tmp-{at}" for at in range(7)))
    take_in(api, *(measured(f"tmp-{at}", 70) for at in (1, 4, 5)))
    for query, wanted in (("?limit=3", range(7)), ("?limit=2&result=passed", (1, 4, 5))):
        seen, following = [], f"{path}/units{query}"
        while following:
            response = await api("GET", following, "vera")
            seen += [unit["sensor_id"] for unit in response.json()["items"]]
            following = response.links.get("next", {}).get("url", "")
        assert seen == [f"tmp-{at}" for at in wanted]
    assert_problem(await api("GET", f"{path}/units?cursor=junk", "vera"), 422)


async def test_a_reading_outside_of_a_units_limits_is_an_episode_at_once(api: Api) -> None:
    path = await in_production(api)
    await entered(api, path, "tmp-1")
    take_in(api, measured("tmp-1", 70.0), measured("tmp-1", 131.2), measured("tmp-2", 500.0))
    take_in(api, measured("tmp-1", 140.0), measured("tmp-1", 121.0), measured("tmp-1", 71.0))
    told = "select sensor_id, kind, unit, readings, peak_value, round(peak_score::numeric, 3) from episodes"
    assert api.rows(told) == [("tmp-1", "out_of_spec", "F", 3, 140.0, Decimal("0.125"))]
    take_in(api, measured("tmp-1", -41.0, at=datetime.now(UTC) + timedelta(minutes=50)))
    assert api.rows("select readings, ended_at - started_at > interval '45 minutes' from episodes") == [(4, True)]
    assert (await units_of(api, path))["tmp-1"]["reasons"][0].startswith("value 131.2 F above spec_max 120")
