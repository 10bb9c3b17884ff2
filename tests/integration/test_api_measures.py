"""What Prometheus gets of the data plane."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import measures
from api.answer_times import add_new
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.api import Api
from tests.readings import many, publish, publish_readings, readings_of
from tests.servers import Servers

Found = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


async def measured(api: Api) -> Found:
    """Every sample by its name and labels."""
    response = await api("GET", "/metrics")
    assert response.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def of(found: Found, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


@pytest.fixture
def drained(demo: Settings) -> Settings:
    """A topic with 40 readings and a dead letter drained, and three messages that wait in partition 0."""
    brisk = demo.model_copy(update={"linger_s": 1.0, "slice_s": 0.5, "lake_flush_s": 0.0})
    publish_readings(brisk, many(40))
    publish(brisk, brisk.readings_topic, [(b"broken", 0)])
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")
    publish(brisk, brisk.readings_topic, [(b"later", 0)] * 3)
    return brisk


async def test_what_drains_did_is_counted(drained: Settings, api: Api) -> None:
    found, topic = await measured(api), drained.readings_topic
    assert of(found, "sensorhouse_drained_rows_total", topic=topic) == 40
    assert of(found, "sensorhouse_drained_dead_letters_total", topic=topic) == 1
    assert of(found, "sensorhouse_drained_messages_total", topic=topic) >= 5
    assert of(found, "sensorhouse_drained_slices_total", topic=topic) >= 1
    assert of(found, "sensorhouse_drained_bytes_total", topic=topic) > 1000
    assert of(found, "sensorhouse_lake_commits_total", topic=topic, table="raw_readings") >= 1
    assert of(found, "sensorhouse_drain_step_seconds_total", topic=topic, step="load") > 0


async def test_lag_and_lateness_are_told(drained: Settings, api: Api) -> None:
    found, topic = await measured(api), drained.readings_topic
    assert of(found, "sensorhouse_lag_messages", topic=topic, partition="0") == 3
    assert of(found, "sensorhouse_lag_messages", topic=topic, partition="1") == 0
    end = of(found, "sensorhouse_log_end_offset", topic=topic, partition="0")
    for sink in ("warehouse", "lake"):
        assert of(found, "sensorhouse_next_offset", topic=topic, partition="0", sink=sink) == end - 3
        assert 0 <= of(found, "sensorhouse_last_commit_age_seconds", topic=topic, sink=sink) < 60
    median, late = (
        of(found, "sensorhouse_freshness_seconds", topic=topic, quantile=quantile) for quantile in ("0.5", "0.99")
    )
    assert 0 < median <= late
    assert of(found, "sensorhouse_partition_stopped", topic=topic, partition="0") == 0


async def test_counts_go_on_growing(drained: Settings, api: Api) -> None:
    before = await measured(api)
    drain(drained, readings_of(drained), open_lake(drained), run_id="test")
    name, topic = "sensorhouse_drained_dead_letters_total", drained.readings_topic
    api.app.state.dashboard._plane._asked_at = float("-inf")  # As if nobody had asked for long: it looks at once.
    assert of(await measured(api), name, topic=topic) == of(before, name, topic=topic) + 3


async def test_a_kafka_that_is_away_is_told_and_the_rest_still_is(
    servers: Servers, drained: Settings, api: Api
) -> None:
    servers.kafka.pause()
    try:
        found = await measured(api)
    finally:
        servers.kafka.resume()
    assert of(found, "sensorhouse_up", server="kafka") == 0
    assert of(found, "sensorhouse_up", server="postgres") == 1
    assert of(found, "sensorhouse_drained_rows_total", topic=drained.readings_topic) == 40
    assert not [name for name, _ in found if name == "sensorhouse_lag_messages"]


async def test_how_long_answers_took_is_added_to_the_warehouse_once(api: Api) -> None:
    pool, before = api.app.state.services.pool, measures.answer_times()
    for _ in range(3):
        await api("GET", "/livez")
    added = await add_new(pool, before)
    await api("GET", "/livez")
    assert await add_new(pool, added) != added
    found = api.rows("select method, sum(answers)::int, max(up_to_s) <= 10 from answer_times group by method, route")
    assert found == [("GET", 4, True)]
