"""Next offsets as Kafka's own tools see them."""

from __future__ import annotations

import time
from contextlib import closing

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.drain import drain
from sensors_io.group_offsets import GROUP, GroupOffsets
from sensors_io.lake import open_lake
from tests.readings import publish, readings_of
from tests.servers import Servers
from tests.waiting import wait_until


def offsets(settings: Settings, topic: str) -> dict[int, int]:
    """What the group has read of a topic, as a lag tool asks for it."""
    asked = [ConsumerGroupTopicPartitions(GROUP, [TopicPartition(topic, p) for p in range(settings.topic_partitions)])]
    client = kafka.admin(settings)  # Held on to: its answers are lost with it.
    answer = client.list_consumer_group_offsets(asked)[GROUP].result()
    return {at.partition: at.offset for at in answer.topic_partitions if at.offset >= 0}


def mirrored(settings: Settings, topic: str, next_offsets: dict[int, int], *, seen: dict[int, int]) -> None:
    """Mirror until it is seen: a fresh broker has no groups loaded, and a drain does not wait for that."""

    def is_seen() -> bool:
        with closing(GroupOffsets(settings)) as group:
            group.mirror(topic, next_offsets)
        return offsets(settings, topic) == seen

    wait_until(is_seen, within_s=20)


def test_mirrored_offsets_are_what_lag_tools_see(settings: Settings) -> None:
    publish(settings, settings.readings_topic, [(b"{}", 0)] * 5)
    mirrored(settings, settings.readings_topic, {0: 3, 1: 0}, seen={0: 3, 1: 0})
    mirrored(settings, settings.readings_topic, {0: 5}, seen={0: 5, 1: 0})


def test_the_newest_offset_stands_however_soon_it_follows(settings: Settings) -> None:
    mirrored(settings, settings.readings_topic, {0: 0}, seen={0: 0})
    for newest in (10, 20, 30, 40):
        with closing(GroupOffsets(settings)) as group:
            for offset in range(newest - 9, newest + 1):
                group.mirror(settings.readings_topic, {0: offset})
        assert offsets(settings, settings.readings_topic) == {0: newest}


def test_a_drain_mirrors_what_every_table_has_got(settings: Settings) -> None:
    mirrored(settings, settings.readings_topic, {0: 0}, seen={0: 0})
    brisk = settings.model_copy(update={"linger_s": 1.0, "slice_s": 0.5, "lake_flush_s": 0.0})
    publish(brisk, brisk.readings_topic, [(b"{}", 0)] * 5 + [(b"{}", 2)] * 3)
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")
    assert offsets(brisk, brisk.readings_topic) == {0: 5, 1: 0, 2: 3, 3: 0}


def test_two_topics_share_the_group(settings: Settings) -> None:
    mirrored(settings, settings.readings_topic, {0: 3}, seen={0: 3})
    mirrored(settings, settings.orders_topic, {0: 4}, seen={0: 4})
    assert offsets(settings, settings.readings_topic) == {0: 3}


def test_a_topic_that_is_gone_is_told_and_raises_nothing(settings: Settings) -> None:
    with closing(GroupOffsets(settings)) as group:
        group.mirror("no-such-topic", {0: 3})


def test_a_broker_that_is_away_neither_raises_nor_holds_up(servers: Servers, settings: Settings) -> None:
    mirrored(settings, settings.readings_topic, {0: 1}, seen={0: 1})
    group = GroupOffsets(settings)
    group.mirror(settings.readings_topic, {0: 2})
    for away in (servers.kafka.pause, servers.kafka.kill):
        away()
        began = time.monotonic()
        for offset in range(3, 6):
            group.mirror(settings.readings_topic, {0: offset})
        assert time.monotonic() - began < 1
        servers.kafka.resume()
    began = time.monotonic()
    group.close()
    assert time.monotonic() - began < 10
    servers.kafka.start()
    assert offsets(settings, settings.readings_topic)[0] >= 1
