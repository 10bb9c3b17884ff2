"""The relay: every event of the outbox reaches Kafka, an order's one after another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
from confluent_kafka import Message

from sensorhouse.settings import Settings, inherited_environment
from sensors_io import order_events, relay
from tests.api import Api
from tests.servers import Servers
from tests.topics import messages
from tests.waiting import wait_until
from warehouse.database import connect


@contextmanager
def relaying(settings: Settings) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=relay.run, args=(settings, stopping))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(30)
        assert not thread.is_alive()


def unpublished(settings: Settings) -> int:
    with connect(settings.database_url) as connection:
        row = connection.execute("select count(*) from outbox where published_at is null").fetchone()
    return int(row[0]) if row else 0


def published(settings: Settings) -> list[Message]:
    return messages(settings, settings.orders_topic)


async def order_with_steps(api: Api, *steps: str) -> str:
    order_id: str = (await api("POST", "/orders/", "ada", json={"sku": "TMP-100", "quantity": 1})).json()["order_id"]
    for step in steps:
        moved = await api("PUT", f"/orders/{order_id}/status", "olivia", json={"status": step})
        assert moved.status_code == 200
    return order_id


def assert_every_event_in_order(settings: Settings) -> None:
    """Each order's versions are all there and rise; an event that is there twice is the same event."""
    with connect(settings.database_url) as connection:
        events = connection.execute("select event_id::text, order_id::text, version from order_events").fetchall()
    seen: dict[str, str] = {}
    last: dict[str, int] = {}
    for message in published(settings):
        event = orjson.loads(message.value() or b"")
        assert (message.key() or b"").decode() == event["order_id"]
        assert dict(message.headers() or []) == {
            "id": event["event_id"].encode(),
            "version": str(event["version"]).encode(),
            "content-type": b"application/json",
        }
        if event["event_id"] not in seen:
            assert event["version"] == last.get(event["order_id"], 0) + 1
            last[event["order_id"]] = event["version"]
            seen[event["event_id"]] = event["order_id"]
    assert seen.keys() == {event_id for event_id, _, _ in events}


async def test_every_event_is_published_once_in_order_and_as_consumers_read_it(api: Api) -> None:
    for _ in range(5):
        await order_with_steps(api, "routed", "in_production", "in_test")
    with relaying(api.settings):
        wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
    found = published(api.settings)
    assert len(found) == 20
    assert_every_event_in_order(api.settings)
    events, rejected = order_events.decode([message.value() or b"" for message in found])
    assert (events.height, rejected.height) == (20, 0)


async def test_of_two_relays_one_publishes_and_the_other_takes_over(api: Api) -> None:
    with relaying(api.settings):
        with relaying(api.settings):
            await order_with_steps(api, "routed")
            wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
        await order_with_steps(api, "routed")
        wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
    assert len(published(api.settings)) == 4
    assert_every_event_in_order(api.settings)


async def test_a_transaction_that_commits_late_is_not_skipped(api: Api) -> None:
    """Its event is older, by time and by id, than others that were published long before it became visible."""
    late = await order_with_steps(api)
    with relaying(api.settings), connect(api.settings.database_url) as held:
        wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
        row = held.execute("delete from outbox where aggregateid = %s returning *", [late]).fetchone()
        held.commit()
        assert row
        payload = orjson.dumps(row[4]).decode()
        held.execute(
            "insert into outbox (id, aggregatetype, aggregateid, type, payload, created_at, version)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            [*row[:4], payload, row[5], row[7]],
        )
        for _ in range(3):
            await order_with_steps(api, "routed")
        wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
        before = len(published(api.settings))
        held.commit()
        wait_until(lambda: len(published(api.settings)) == before + 1, within_s=30)
    assert_every_event_in_order(api.settings)


async def test_an_orders_events_go_by_version_whatever_the_clock_said(api: Api) -> None:
    order_id = await order_with_steps(api, "routed", "in_production", "in_test")
    backwards = "update outbox set created_at = now() - version * interval '1 hour' where aggregateid = %s returning 1"
    api.rows(backwards, order_id)
    with relaying(api.settings):
        wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
    assert_every_event_in_order(api.settings)


async def test_nothing_is_lost_while_kafka_is_away(api: Api, servers: Servers) -> None:
    with relaying(api.settings):
        await order_with_steps(api)
        wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
        servers.kafka.kill()
        await order_with_steps(api, "routed", "in_production")
        assert unpublished(api.settings) == 3
        servers.kafka.start()
        wait_until(lambda: unpublished(api.settings) == 0, within_s=60)
    assert_every_event_in_order(api.settings)


async def test_nothing_is_lost_while_postgres_is_away(api: Api, servers: Servers) -> None:
    with relaying(api.settings):
        await order_with_steps(api)
        servers.postgres.kill()
        servers.postgres.start()
        await order_with_steps(api, "routed")
        wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
    assert_every_event_in_order(api.settings)


def start_relay(settings: Settings) -> subprocess.Popen[bytes]:
    environment = inherited_environment() | settings.as_environment()
    return subprocess.Popen([sys.executable, "-m", "sensors_io.relay"], env=environment)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_ends_when_told(api: Api, end: signal.Signals) -> None:
    process = start_relay(api.settings)
    try:
        await order_with_steps(api)
        wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
        os.kill(process.pid, end)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


async def test_what_was_published_days_ago_is_dropped_and_nothing_else(api: Api) -> None:
    old, new, waiting = [await order_with_steps(api) for _ in range(3)]
    with relaying(api.settings):
        wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
    long_ago = "update outbox set created_at = now() - interval '8 days' where aggregateid = any(%s) returning 1"
    api.rows(long_ago, [old, waiting])
    api.rows("update outbox set published_at = now() - interval '8 days' where aggregateid = %s returning 1", old)
    api.rows("update outbox set published_at = null where aggregateid = %s returning 1", waiting)
    with relaying(api.settings):
        wait_until(lambda: len(api.rows("select from outbox")) == 2, within_s=30)
        wait_until(lambda: unpublished(api.settings) == 0, within_s=30)
    assert {aggregate for (aggregate,) in api.rows("select aggregateid from outbox")} == {new, waiting}
