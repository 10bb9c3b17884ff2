"""Where an upload or an order is: asked before it is drained, after, and when it is staged."""

from __future__ import annotations

import asyncio
import threading

import dagster as dg
import pytest

from infra import cli
from orchestration.definitions import build_definitions
from sensorhouse.settings import Settings
from sensors_io import receipts, relay
from sensors_io.drain import drain
from sensors_io.feeds import readings_feed
from sensors_io.lake import open_lake
from sensors_io.trace import trace_order, trace_upload
from tests.api import Api, assert_problem
from tests.readings import feeds, many, reading
from tests.waiting import wait_until


def drain_all(settings: Settings, feed: str) -> None:
    brisk = settings.model_copy(update={"linger_s": 0.0, "lake_flush_s": 0.0})
    drain(brisk, feeds(brisk)[feed], open_lake(brisk), run_id="the-run")


def refresh(settings: Settings) -> None:
    definitions = build_definitions(settings.model_copy(update={"refresh_linger_s": 0.0}))
    with dg.DagsterInstance.ephemeral() as instance:
        assert definitions.resolve_job_def("refresh_touched_keys").execute_in_process(instance=instance).success


async def test_a_receipt_is_followed_from_kafka_to_the_staged_readings(api: Api) -> None:
    sent = await api("POST", "/sensors/data", "gateway", json=many(100))
    receipt = sent.json()["receipt_id"]

    async def ask() -> dict[str, object]:
        answer = await api("GET", f"/receipts/{receipt}", "gateway")
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    before = await ask()
    assert before["readings"] == 100
    for message in before["messages"]:  # type: ignore[attr-defined]
        assert message["is_in_kafka"]
        assert (message["loaded_at"], message["lake_version"], message["rows"]) == (None, None, 0)
    drain_all(api.settings, "readings")
    drained = await ask()
    messages = drained["messages"]
    assert sum(message["rows"] for message in messages) == 100  # type: ignore[attr-defined]
    for message in messages:  # type: ignore[attr-defined]
        assert message["run_id"] == "the-run"
        assert message["loaded_at"]
        assert message["lake_version"] >= 1
        assert not message["is_staged"]
    # Dagster starts event loops of its own.
    await asyncio.to_thread(refresh, api.settings)
    assert (await ask())["is_staged"] is True


async def test_readings_that_became_dead_letters_are_told_apart(api: Api) -> None:
    sent = await api("POST", "/sensors/data", "gateway", json=[reading("a"), reading("b")])
    receipt = receipts.read(sent.json()["receipt_id"], api.settings.signing_key)
    brisk = api.settings.model_copy(update={"linger_s": 0.0, "lake_flush_s": 0.0})
    # A catalogue that no longer has their sensor type.
    drain(brisk, readings_feed(brisk, sensor_types=["pressure"]), open_lake(brisk), run_id="the-run")
    found = trace_upload(api.settings, open_lake(api.settings), receipt)
    assert sum(one.readings for one in found) == 2
    assert [one.rows for one in found] == [0] * len(found)
    assert all(one.loaded_at and one.lake_version and one.is_staged for one in found)


async def test_a_forged_receipt_is_not_found_and_customers_ask_for_none(api: Api) -> None:
    sent = await api("POST", "/sensors/data", "gateway", json=[reading()])
    receipt = sent.json()["receipt_id"]
    assert_problem(await api("GET", f"/receipts/{receipt[:-3]}abc", "gateway"), 404)
    assert_problem(await api("GET", f"/receipts/{receipt}", "ada"), 403)


async def test_an_order_s_events_are_followed_until_the_lake_has_them(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = (await api("POST", "/orders/", "ada", json={"sku": "TMP-100", "quantity": 2})).json()
    (event,) = trace_order(api.settings, placed["order_id"])
    assert (event.type, event.published_at, event.loaded_at) == ("order_placed", None, None)
    stopping = threading.Event()
    relaying = threading.Thread(target=relay.run, args=(api.settings, stopping))
    relaying.start()
    wait_until(lambda: trace_order(api.settings, placed["order_id"])[0].published_at is not None)
    stopping.set()
    relaying.join()
    drain_all(api.settings, "orders")
    (event,) = trace_order(api.settings, placed["order_id"])
    assert event.loaded_at
    assert event.lake_version
    for name, value in api.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main(["trace", placed["order_id"]]) == 0
    assert "order_placed" in capsys.readouterr().out
