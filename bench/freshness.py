"""Freshness: from Kafka's own timestamp on a reading until a query in Postgres finds it."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import polars as pl
import pyarrow.ipc

from bench import drains
from bench.data import SENSORS, Factory
from bench.topics import Encoding, messages, produce
from infra.local import dagster
from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.lag import look
from tests import topics
from tests.servers import Servers
from tests.stack import Stack, stack_on
from warehouse import ledger
from warehouse.database import Connection, connect

LOOK_EVERY_S = 0.01


@dataclass(frozen=True)
class Freshness:
    """Seconds from accepted to queryable, weighted by reading, and how many readings were counted."""

    readings: int
    p50_s: float
    p99_s: float
    longest_s: float
    drain_cores: float | None = None
    peak_rss_mib: float | None = None


@dataclass
class Watched:
    """When which offsets became queryable, as seen from outside; the clock is read after the answer."""

    offsets: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0]))
    seen_at: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0]))

    def look(self, connection: Connection, topic_id: str) -> dict[int, int]:
        """Note what is new, and return how far each partition is."""
        found = ledger.next_offsets(connection, topic_id)
        now = time.time()
        for partition, offset in found.items():
            if offset > self.offsets[partition][-1]:
                self.offsets[partition].append(offset)
                self.seen_at[partition].append(now)
        return found

    def queryable_at(self, partition: int, offset: int) -> float:
        """When the message at this offset was first seen to be loaded."""
        return self.seen_at[partition][bisect_right(self.offsets[partition], offset)]


def while_draining(servers: Servers, *, per_s: int, seconds: float) -> Freshness:
    """Freshness while a drain runs and a producer sends at a steady pace."""
    settings = servers.new_settings()
    topic = kafka.describe(kafka.admin(settings), settings.readings_topic)
    watched = Watched()
    with (
        drains.child("bench.one_drain", settings, 0, 1) as drain,
        connect(settings.database_url, autocommit=True) as connection,
    ):
        drains.wait_ready(drain)
        drains.begin(drain)
        _wait(lambda: len(watched.look(connection, topic.id)) == len(topic.partitions), within_s=30)
        with drains.child("bench.steady_producer", settings, per_s, seconds) as producer:
            while producer.poll() is None:
                watched.look(connection, topic.id)
                time.sleep(LOOK_EVERY_S)
            assert producer.returncode == 0, "the producer failed"
        _wait_loaded(watched, connection, topic.id, _ends(settings, topic), within_s=30)
        drain.terminate()
        report = drains.finished(drain)
    counted = _freshness(settings, watched)
    servers.drop(settings)
    return Freshness(
        *(counted.readings, counted.p50_s, counted.p99_s, counted.longest_s),
        drain_cores=report.cpu_s / (report.ended_at - report.began_at),
        peak_rss_mib=report.peak_rss_mib,
    )


def from_idle(servers: Servers, folder: Path, *, rounds: int) -> Freshness:
    """Freshness of readings that arrive on an idle topic: Dagster has to notice them and start a drain first."""
    settings = servers.new_settings()
    # The drain ends soon, so that the topic is idle again; how fast one starts does not depend on it.
    stack = stack_on(settings, folder, linger_s=1.0)
    watched = Watched()
    try:
        stack.up()
        for number in range(rounds):
            _wait(lambda: _is_idle(stack), within_s=300)
            # Dagster's sensors tick every five seconds: each round meets them at another moment.
            time.sleep(number % 10 * 0.5)
            _send_once(stack.settings, datetime.now(UTC))
            topic = kafka.describe(kafka.admin(settings), settings.readings_topic)
            with connect(settings.database_url, autocommit=True) as connection:
                _wait_loaded(watched, connection, topic.id, _ends(settings, topic), within_s=120)
        return _freshness(settings, watched)
    finally:
        stack.sensorhouse("down", "--drop-data")


def percentile(values: Sequence[float], weights: Sequence[int], share: float) -> float:
    """The least value that at least this share of the weight does not exceed."""
    frame = pl.DataFrame({"value": values, "weight": weights}).sort("value")
    reached = frame["weight"].cum_sum() >= share * sum(weights)
    return float(frame["value"].filter(reached)[0])


def _freshness(settings: Settings, watched: Watched) -> Freshness:
    ages, counts = [], []
    for message in topics.messages(settings, settings.readings_topic):
        accepted_at = message.timestamp()[1] / 1000
        partition, offset = cast("int", message.partition()), cast("int", message.offset())
        ages.append(watched.queryable_at(partition, offset) - accepted_at)
        with pyarrow.ipc.open_stream(message.value() or b"") as stream:
            counts.append(sum(batch.num_rows for batch in stream))
    return Freshness(sum(counts), percentile(ages, counts, 0.5), percentile(ages, counts, 0.99), max(ages))


def _send_once(settings: Settings, now: datetime) -> None:
    """One reading of every sensor."""
    producer = kafka.producer(settings)
    readings = Factory(start=now).rounds(1).head(SENSORS)
    for partition, key, value in messages(readings, Encoding.ARROW, settings.topic_partitions):
        produce(producer, settings.readings_topic, Encoding.ARROW, partition, key, value)
    assert producer.flush(30) == 0, "Kafka took not all messages"


def _is_idle(stack: Stack) -> bool:
    """Whether nothing waits, no drain lives and Dagster has no run under way."""
    lag = look(stack.settings, stack.settings.readings_topic)
    if lag.messages or lag.is_draining:
        return False
    question = """{runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) {
        ... on Runs {results {runId}}}}"""
    return not dagster.ask(dagster.url(stack.settings), question)["runsOrError"]["results"]


def _ends(settings: Settings, topic: kafka.Topic) -> dict[int, int]:
    return {p: held.high_watermark for p, held in kafka.log_ranges(kafka.admin(settings), topic).items()}


def _wait_loaded(
    watched: Watched, connection: Connection, topic_id: str, ends: Mapping[int, int], *, within_s: float
) -> None:
    def is_loaded() -> bool:
        found = watched.look(connection, topic_id)
        return all(found.get(partition, 0) >= end for partition, end in ends.items())

    _wait(is_loaded, within_s=within_s)


def _wait(condition: Callable[[], bool], *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(LOOK_EVERY_S)
