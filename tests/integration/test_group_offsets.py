"""Next offsets as Kafka's own tools see them."""

from __future__ import annotations

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.drain import drain
from sensors_io.group_offsets import GROUP, mirror
from sensors_io.lake import open_lake
from tests.readings import publish, readings_of
from tests.servers import Servers
from tests.topics import until


def offsets(settings: Settings, topic: str) -> dict[int, int]:
    """What the group has read of a topic, as a lag tool asks for it."""
    asked = [ConsumerGroupTopicPartitions(GROUP, [TopicPartition(topic, p) for p in range(settings.topic_partitions)])]
    client = kafka.admin(settings)  # Held on to: its answers are lost with it.
    answer = client.list_consumer_group_offsets(asked)[GROUP].result()
    return {at.partition: at.offset for at in answer.topic_partitions if at.offset >= 0}


def first_mirrored(client: AdminClient, topic: str, offsets: dict[int, int]) -> None:
    """Mirror, as often as it takes until a fresh broker has loaded its groups."""
    until(lambda: mirror(client, topic, offsets))


def test_mirrored_offsets_are_what_lag_tools_see(settings: Settings) -> None:
    publish(settings, settings.readings_topic, [(b"{}", 0)] * 5)
    client = kafka.admin(settings)
    first_mirrored(client, settings.readings_topic, {0: 3, 1: 0})
    assert offsets(settings, settings.readings_topic) == {0: 3, 1: 0}
    assert mirror(client, settings.readings_topic, {0: 5})
    assert offsets(settings, settings.readings_topic) == {0: 5, 1: 0}


def test_a_drain_mirrors_what_every_table_has_got(settings: Settings) -> None:
    client = kafka.admin(settings)
    # A fresh broker has no groups loaded, and a drain does not wait for that.
    first_mirrored(client, settings.readings_topic, {0: 0})
    brisk = settings.model_copy(update={"linger_s": 1.0, "slice_s": 0.5, "lake_flush_s": 0.0})
    publish(brisk, brisk.readings_topic, [(b"{}", 0)] * 5 + [(b"{}", 2)] * 3)
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")
    assert offsets(brisk, brisk.readings_topic) == {0: 5, 1: 0, 2: 3, 3: 0}


def test_two_topics_share_the_group(settings: Settings) -> None:
    client = kafka.admin(settings)
    first_mirrored(client, settings.readings_topic, {0: 3})
    assert mirror(client, settings.orders_topic, {0: 4})
    assert offsets(settings, settings.readings_topic) == {0: 3}
    assert offsets(settings, settings.orders_topic) == {0: 4}


def test_a_topic_that_is_gone_is_told_and_raises_nothing(settings: Settings) -> None:
    assert not mirror(kafka.admin(settings), "no-such-topic", {0: 3})


def test_a_broker_that_is_away_is_told_and_raises_nothing(servers: Servers, settings: Settings) -> None:
    client = kafka.admin(settings)
    first_mirrored(client, settings.readings_topic, {0: 1})
    servers.kafka.pause()
    try:
        assert not mirror(client, settings.readings_topic, {0: 2}, within_s=0.5)
    finally:
        servers.kafka.resume()
