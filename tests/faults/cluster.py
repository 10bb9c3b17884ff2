"""Three brokers with three replicas of everything, of which two must have a message before it is acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infra.local import kafka, ports
from infra.local.part import Part
from sensorhouse.settings import Settings
from sensors_io.kafka import admin
from tests.servers import Server
from tests.waiting import wait_until

NODES = (1, 2, 3)


@dataclass(frozen=True)
class Cluster:
    """The brokers by their node's number."""

    nodes: dict[int, Server]
    brokers: str

    def leader(self, settings: Settings, partition: int = 0) -> int:
        """The node that leads a partition of the readings."""
        topic = admin(settings).list_topics(settings.readings_topic, timeout=10).topics[settings.readings_topic]
        return topic.partitions[partition].leader

    def wait_in_sync(self, settings: Settings) -> None:
        """Wait until every replica of the readings has everything."""

        def is_in_sync() -> bool:
            topic = admin(settings).list_topics(settings.readings_topic, timeout=10).topics[settings.readings_topic]
            return all(len(partition.isrs) == len(NODES) for partition in topic.partitions.values())

        wait_until(is_in_sync, "every replica is in sync")


@contextmanager
def three_brokers(folder: Path) -> Iterator[Cluster]:
    """The cluster, started; what it kept is the caller's folder's."""
    numbers = ports.free(2 * len(NODES))
    clients, controllers = (dict(zip(NODES, some, strict=True)) for some in (numbers[:3], numbers[3:]))
    cluster_id = kafka.new_cluster_id()
    nodes = {
        node: Server(_broker(folder / str(node), node, clients, controllers, cluster_id), folder / f"kafka-{node}.log")
        for node in NODES
    }
    cluster = Cluster(nodes, ",".join(f"127.0.0.1:{port}" for port in clients.values()))
    try:
        for server in nodes.values():
            server.launch()
        for server in nodes.values():
            server.wait_ready()
        yield cluster
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Server.stop, nodes.values()))


def _broker(folder: Path, node: int, clients: dict[int, int], controllers: dict[int, int], cluster_id: str) -> Part:
    settings = Settings(
        _env_file=None, state_dir=folder, kafka_port=clients[node], kafka_controller_port=controllers[node]
    )
    broker = kafka.part(settings)
    voters = ",".join(f"{one}@127.0.0.1:{port}" for one, port in controllers.items())
    changes = f"""\
node.id={node}
controller.quorum.voters={voters}
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
replica.lag.time.max.ms=3000
"""

    def prepare() -> None:
        kafka.prepare(settings, folder / "kafka", changes=changes, cluster_id=cluster_id)

    return replace(broker, prepare=prepare)
