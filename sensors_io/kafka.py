"""Kafka's clients, and what the broker says of a topic."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import cast

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec, TopicDescription

from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings

ANSWER_WITHIN_S = 10
_ASK_AGAIN_S = 0.1
_SOON = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
)


@dataclass(frozen=True)
class Topic:
    """A topic as the broker knows it; `id` is cluster id / topic id, so that a recreated topic is another one."""

    name: str
    id: str
    partitions: tuple[int, ...]


@dataclass(frozen=True)
class LogRange:
    """What Kafka holds of a partition: offsets from `low` up to, not including, `high_watermark`."""

    low: int
    high_watermark: int


def connection(settings: Settings) -> dict[str, str | int | float | bool]:
    """Librdkafka's settings that every client of ours shares."""
    return {"bootstrap.servers": settings.brokers, "log_level": 2, **settings.kafka_config}


def admin(settings: Settings) -> AdminClient:
    """A client that asks about topics and makes them."""
    return AdminClient(connection(settings))


def shared_admin(settings: Settings) -> AdminClient:
    """The same, one a process: for those who look every few seconds, or whenever they are asked."""
    return _shared_admin(settings.brokers, tuple(settings.kafka_config.items()))


@cache
def _shared_admin(brokers: str, config: tuple[tuple[str, str], ...]) -> AdminClient:
    return admin(Settings(_env_file=None, kafka_brokers=brokers, kafka_config=dict(config)))


def producer(settings: Settings) -> Producer:
    """A producer whose acknowledgement means: on every in-sync replica, once."""
    return Producer(
        connection(settings)
        | {
            "enable.idempotence": True,
            "acks": "all",
            # Java's rule, also that of `sensors_io.uploads`: a key has one partition, whoever sends it.
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "compression.type": "lz4",
            "message.max.bytes": 1 << 20,
            "delivery.timeout.ms": 30_000,
        }
    )


def consumer(settings: Settings) -> Consumer:
    """A consumer that is told where to read (assign and seek); it commits nothing and sees no aborted message."""
    return Consumer(
        connection(settings)
        | {
            "group.id": "sensorhouse",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "fetch.max.bytes": 64 << 20,
            "max.partition.fetch.bytes": 1 << 20,
            # Read ahead of each partition, so that the client works while a slice is decoded; bounds its memory. Full,
            # it looks again soon: the default waits a second.
            "queued.min.messages": 10_000,
            "queued.max.messages.kbytes": 8 << 10,
            "fetch.queue.backoff.ms": 5,
        }
    )


def ensure_topics(settings: Settings) -> None:
    """Make the two topics if they aren't there; the broker stamps each message with the time it saw it."""
    names = (settings.orders_topic, settings.readings_topic)
    config = {"message.timestamp.type": "LogAppendTime"}
    wanted = [NewTopic(name, settings.topic_partitions, settings.topic_replication, config=config) for name in names]
    client = admin(settings)  # Held on to: its answers are lost with it.
    for made in client.create_topics(wanted, request_timeout=ANSWER_WITHIN_S).values():
        try:
            made.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise DependencyDown(f"Kafka made no topic: {error}") from error


def describe(client: AdminClient, name: str) -> Topic:
    """What the broker says of the topic now; raises `DependencyDown` when it says nothing."""
    try:
        cluster = client.describe_cluster(request_timeout=ANSWER_WITHIN_S).result()
    except KafkaException as error:
        raise DependencyDown(f"Kafka does not tell about its cluster: {error}") from error
    described = _describe(client, name)
    partitions = tuple(sorted(partition.id for partition in described.partitions))
    return Topic(name, f"{cluster.cluster_id}/{described.topic_id}", partitions)


def is_same(client: AdminClient, topic: Topic) -> bool:
    """Whether the topic's name still means this topic; raises `DependencyDown` when the broker does not say."""
    return topic.id.endswith(f"/{_describe(client, topic.name).topic_id}")


def _describe(client: AdminClient, name: str) -> TopicDescription:
    try:
        answers = client.describe_topics(TopicCollection([name]), request_timeout=ANSWER_WITHIN_S)
        return cast("TopicDescription", answers[name].result())
    except KafkaException as error:
        raise DependencyDown(f"Kafka does not tell about topic {name}: {error}") from error


def log_ranges(client: AdminClient, topic: Topic) -> dict[int, LogRange]:
    """Per partition, what the log holds of committed messages."""
    low = _offsets(client, topic, OffsetSpec.earliest())
    high = _offsets(client, topic, OffsetSpec.latest())
    return {partition: LogRange(low[partition], high[partition]) for partition in topic.partitions}


def _offsets(client: AdminClient, topic: Topic, which: OffsetSpec) -> dict[int, int]:
    asked = {TopicPartition(topic.name, partition): which for partition in topic.partitions}
    give_up_at = time.monotonic() + ANSWER_WITHIN_S
    while True:
        try:
            answers = client.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_WITHIN_S
            )
            return {at.partition: answer.result().offset for at, answer in answers.items()}
        except KafkaException as error:
            # A topic is told of a moment before its partitions have their leaders.
            if error.args[0].code() in _SOON and time.monotonic() < give_up_at:
                time.sleep(_ASK_AGAIN_S)
                continue
            raise DependencyDown(f"Kafka does not tell the ends of {topic.name}: {error}") from error
