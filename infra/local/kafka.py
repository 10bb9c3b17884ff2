"""The local Kafka: one process that is broker and KRaft controller."""

from __future__ import annotations

import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from confluent_kafka import KafkaException

from infra.local import places, processes, tools
from infra.local.part import Part, bare_environment
from infra.local.ports import Port
from sensorhouse.settings import Settings
from sensors_io import kafka

HEAP = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


def part(settings: Settings) -> Part:
    """The broker on `kafka_port`, its log below the state folder; or the one that `kafka_brokers` names."""
    if settings.kafka_brokers:
        return Part("kafka", command=None, is_ready=lambda _: answers(settings), address=settings.kafka_brokers)
    data = places.state_dir(settings) / "kafka"
    return Part(
        name="kafka",
        command=lambda: [*_java(settings), "kafka.Kafka", data / "server.properties"],
        is_ready=lambda _: answers(settings),
        environment=lambda: bare_environment(settings),
        address=f"127.0.0.1:{settings.kafka_port}",
        ports=(
            Port(settings.kafka_port, "KAFKA_PORT"),
            Port(settings.kafka_controller_port, "KAFKA_CONTROLLER_PORT"),
        ),
        prepare=lambda: prepare(settings, data),
    )


def answers(settings: Settings) -> bool:
    """Whether a broker tells its topics."""
    # Until it does, every attempt would be a line on standard error.
    silent = settings.model_copy(update={"kafka_config": {**settings.kafka_config, "log_level": "0"}})
    try:
        return bool(kafka.admin(silent).list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def prepare(settings: Settings, data: Path, *, changes: str = "", cluster_id: str | None = None) -> None:
    """Write the broker's configuration, and format its folder if it is new.

    `changes` are further lines of configuration; of two lines with one name, the last counts.
    """
    data.mkdir(parents=True, exist_ok=True)
    configuration = data / "server.properties"
    configuration.write_text(properties(settings, data) + changes)
    if not (data / "log" / "meta.properties").exists():
        command = ["kafka.tools.StorageTool", "format", "-t", cluster_id or new_cluster_id(), "-c", configuration]
        processes.run([*_java(settings), *command], environment=bare_environment(settings), folder=data)


def new_cluster_id() -> str:
    """An id that nobody else has."""
    # Kafka's own tools take an id that starts with a dash for an option.
    return "A" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def properties(settings: Settings, data: Path) -> str:
    """The broker's configuration: small, and quick to come back after a crash."""
    broker, controller = settings.kafka_port, settings.kafka_controller_port
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data / "log"}
num.network.threads=2
num.io.threads=2
background.threads=2
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1500
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.threads=1
"""


def _java(settings: Settings) -> list[object]:
    logging = f"-Dlog4j2.configurationFile={tools.JARS / 'log4j2.properties'}"
    return [tools.java(settings), *HEAP, logging, "-cp", f"{tools.kafka_jars(settings)}/*"]
