"""Readings, episodes and statistics, as staged: uploaded through the API, drained, asked for."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pytest

from api.reading_pages import CSV
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from sensors_io.reading import ARROW, JSON, NDJSON
from tests.api import Api, assert_problem
from tests.episodes import mark_episode
from tests.readings import NOON, feeds, many, reading

FORMS: dict[str, Callable[[httpx.Response], list[float]]] = {
    JSON: lambda page: [item["value"] for item in page.json()["items"]],
    NDJSON: lambda page: [json.loads(line)["value"] for line in page.text.splitlines()],
    CSV: lambda page: [float(row["value"]) for row in csv.DictReader(io.StringIO(page.text))],
    ARROW: lambda page: pl.read_ipc_stream(page.content)["value"].to_list(),
}


async def drained(api: Api, readings: list[dict[str, Any]]) -> None:
    """Upload readings and wait until the warehouse has them."""
    assert (await api("POST", "/sensors/data", "gateway", json=readings)).status_code == 202
    brisk = api.settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.2, "lake_flush_s": 0.0})
    await asyncio.to_thread(drain, brisk, feeds(brisk)["readings"], open_lake(brisk), run_id="test")


async def asked(api: Api, path: str, **query: object) -> dict[str, Any]:
    response = await api("GET", path, "vera", params={name: str(value) for name, value in query.items()})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_an_uploaded_reading_comes_back_as_it_was_sent(api: Api) -> None:
    sent = reading("probe-1", quality=3, station="s-1", attributes={"a": [1, {"b": None}]})
    await drained(api, [sent])
    (item,) = (await asked(api, "/sensors/data", sensor_id="probe-1"))["items"]
    assert datetime.fromisoformat(item.pop("event_time")) == NOON
    assert {name: item[name] for name in sent if name != "event_time"} == {
        n: v for n, v in sent.items() if n != "event_time"
    }
    assert (item["is_anomaly"], item["score"]) == (False, None)


async def test_pages_hold_every_reading_once_oldest_first(api: Api) -> None:
    # Days apart, so that the pages are looked for over windows that grow.
    later = many(30, sensors=3, start=NOON + timedelta(days=9))
    sent = many(30, sensors=3, start=NOON - timedelta(days=100)) + many(30, sensors=3) + later
    await drained(api, [one for one in sent if one["event_time"] < datetime.now(UTC).isoformat()])
    everything = (await asked(api, "/sensors/data", limit=1000))["items"]
    paged: list[Any] = []
    query: dict[str, object] = {"limit": 7}
    while True:
        page = await asked(api, "/sensors/data", **query)
        paged += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert paged == everything
    keys = [(item["event_time"], item["sensor_id"], item["metric"]) for item in paged]
    assert keys == sorted(set(keys))
    assert len(keys) >= 60


async def test_a_reading_that_comes_late_makes_no_other_appear_twice_or_be_skipped(api: Api) -> None:
    await drained(api, many(24, sensors=3))
    before = [(item["event_time"], item["sensor_id"]) for item in (await asked(api, "/sensors/data"))["items"]]
    paged: list[tuple[str, str]] = []
    query: dict[str, object] = {"limit": 5}
    while True:
        page = await asked(api, "/sensors/data", **query)
        paged += [(item["event_time"], item["sensor_id"]) for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
        # Behind the cursor, at its own time on both sides, ahead of it, and a seen one revised.
        last = datetime.fromisoformat(page["items"][-1]["event_time"])
        late = [reading(f"{side}-{len(paged)}", at=last) for side in ("a", "z")]
        late += [reading(f"a-{len(paged)}", at=last + timedelta(seconds=moved)) for moved in (-1, 1)]
        await drained(api, [*late, reading(page["items"][0]["sensor_id"], at=last, value=-1.0)])
    assert [key for key in paged if key in before] == before
    assert paged == sorted(set(paged))


async def test_every_form_of_a_page_links_to_the_next_until_the_last(api: Api) -> None:
    await drained(api, many(20, sensors=2))
    whole = (await asked(api, "/sensors/data"))["items"]
    for kind, read in FORMS.items():
        values: list[float] = []
        path: str | None = "/sensors/data?sensor_type=temperature&start=2026-01-01T00:00:00%2B01:00&limit=7"
        pages = 0
        while path:
            response = await api("GET", path, "vera", headers={"accept": kind})
            assert response.headers["content-type"].split(";")[0] == kind
            assert response.headers["vary"] == "Accept"
            values += read(response)
            path = response.links.get("next", {}).get("url")
            pages += 1
        assert (values, pages) == ([item["value"] for item in whole], 3), kind


async def test_a_form_that_is_not_there_is_refused_with_those_that_are(api: Api) -> None:
    response = await api("GET", "/sensors/data", "vera", headers={"accept": "text/html, text/csv;q=0"})
    assert assert_problem(response, 406)["offered"] == list(FORMS)
    assert response.headers["vary"] == "Accept"


async def test_a_corrected_value_replaces_the_older_everywhere(api: Api) -> None:
    await drained(api, [reading(value=1.0), reading(value=1.0)])
    await drained(api, [reading(value=2.0)])
    (item,) = (await asked(api, "/sensors/data"))["items"]
    (statistics,) = (await asked(api, "/sensors/stats"))["items"]
    assert (item["value"], statistics["count"], statistics["mean"]) == (2.0, 1, 2.0)


async def test_readings_are_found_by_sensor_type_metric_and_time(api: Api) -> None:
    late = reading("b", at=NOON + timedelta(hours=1))
    pressure = reading("c", sensor_type="pressure", metric="pressure", unit="bar")
    await drained(api, [reading("a"), late, pressure])

    async def found(**query: object) -> list[str]:
        return [item["sensor_id"] for item in (await asked(api, "/sensors/data", **query))["items"]]

    assert await found() == ["a", "c", "b"]
    assert await found(sensor_id="b") == ["b"]
    assert await found(sensor_type="pressure") == ["c"]
    assert await found(metric="temperature") == ["a", "b"]
    assert await found(end=late["event_time"]) == ["a", "c"]
    assert await found(start=late["event_time"]) == ["b"]
    assert await found(start=NOON - timedelta(hours=5), end=NOON) == []
    assert await found(sensor_id="nobody") == []


async def test_only_anomalies_are_shown_when_asked_and_each_has_its_score(api: Api) -> None:
    await drained(api, many(100, sensors=2))
    spike = NOON + timedelta(seconds=7)
    mark_episode(api.settings, "probe-1", spike, spike + timedelta(seconds=1), score=12.5)
    mark_episode(api.settings, "probe-0", spike, spike + timedelta(seconds=9), verdict="withdrawn")
    page = await asked(api, "/sensors/data", anomalies_only=True)
    assert [(item["sensor_id"], item["event_time"], item["score"], item["is_anomaly"]) for item in page["items"]] == [
        ("probe-1", "2026-11-20T12:00:07Z", 12.5, True),
        ("probe-1", "2026-11-20T12:00:08Z", 12.5, True),
    ]
    assert (await asked(api, "/sensors/data", anomalies_only=True, start=spike + timedelta(seconds=1)))["items"] == [
        page["items"][1]
    ]
    scored = [item for item in (await asked(api, "/sensors/data", limit=1000))["items"] if item["is_anomaly"]]
    assert scored == page["items"]


async def test_episodes_are_counted_and_listed_newest_first(api: Api) -> None:
    for hours in range(5):
        mark_episode(api.settings, f"probe-{hours % 2}", NOON + timedelta(hours=hours))
    mark_episode(api.settings, "gauge", NOON, sensor_type="pressure", kind="stuck", tier="batch")
    mark_episode(api.settings, "gauge", NOON + timedelta(hours=9), sensor_type="pressure", verdict="withdrawn")
    assert await asked(api, "/sensors/anomalies/count") == {
        "count": 6,
        "by_type": {"pressure": 1, "temperature": 5},
        "by_kind": {"spike": 5, "stuck": 1},
    }
    within = {"start": NOON, "end": NOON + timedelta(hours=2)}
    counted = await asked(api, "/sensors/anomalies/count", sensor_type="temperature", **within)
    assert counted == {"count": 2, "by_type": {"temperature": 2}, "by_kind": {"spike": 2}}
    times: list[str] = []
    query: dict[str, object] = {"limit": 2}
    while True:
        page = await asked(api, "/sensors/anomalies", **query)
        times += [item["started_at"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert times == sorted(times, reverse=True)
    assert len(times) == 6


async def test_episodes_are_chosen_by_kind_detector_and_whether_they_stand(api: Api) -> None:
    mark_episode(api.settings, "probe-0", NOON, kind="drift", tier="batch")
    mark_episode(api.settings, "probe-1", NOON, verdict="withdrawn")

    async def sensors(**query: object) -> list[str]:
        return [item["sensor_id"] for item in (await asked(api, "/sensors/anomalies", **query))["items"]]

    assert await sensors() == ["probe-0"]
    assert sorted(await sensors(settled="true")) == ["probe-0", "probe-1"]
    assert await sensors(settled="true", tier="online") == ["probe-1"]
    assert await sensors(kind="drift") == ["probe-0"]
    assert await sensors(kind="spike") == []
    (withdrawn,) = (await asked(api, "/sensors/anomalies", settled="true", tier="online"))["items"]
    assert (withdrawn["verdict"], withdrawn["settled_by"]) == ("withdrawn", None)
    refused = await api("GET", "/sensors/anomalies", "vera", params={"kind": "odd"})
    assert_problem(refused, 422)


async def test_statistics_are_what_arithmetic_says(api: Api) -> None:
    values = [1.0, 2.0, 3.0, 10.0]
    await drained(api, [reading("a", at=NOON + timedelta(seconds=i), value=value) for i, value in enumerate(values)])
    await drained(api, [reading("b", value=5.0)])
    first = await asked(api, "/sensors/stats", limit=1)
    second = await asked(api, "/sensors/stats", limit=1, cursor=first["next"])
    (a,), (b,) = first["items"], second["items"]
    assert second["next"] is None
    assert (a["sensor_id"], a["count"], a["mean"], a["min"], a["max"], a["last"]) == ("a", 4, 4.0, 1.0, 10.0, 10.0)
    assert a["std"] == pytest.approx(4.0824829)
    assert datetime.fromisoformat(a["last_at"]) == NOON + timedelta(seconds=3)
    assert (b["sensor_id"], b["count"], b["std"]) == ("b", 1, None)


@pytest.mark.parametrize("user", ["ada", "gateway", "olivia", "paul", "vera"])
async def test_everybody_who_is_signed_in_may_read(api: Api, user: str) -> None:
    for path in ("/sensors/data", "/sensors/anomalies", "/sensors/anomalies/count", "/sensors/stats"):
        assert (await api("GET", path, user)).status_code == 200
        assert_problem(await api("GET", path), 401)
