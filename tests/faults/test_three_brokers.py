"""Of three brokers one may die, whichever it is, and nothing acknowledged dies with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorhouse.settings import Settings
from sensors_io.kafka import ensure_topics
from tests.faults.cluster import three_brokers
from tests.faults.trial import trial


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_broker_of_three_killed_while_data_flows_loses_and_doubles_nothing(small: Settings, tmp_path: Path) -> None:
    with three_brokers(tmp_path / "cluster") as cluster:
        changes = {"kafka_brokers": cluster.brokers, "topic_replication": 3}
        settings = Settings(_env_file=None, **(small.model_dump() | changes))
        ensure_topics(settings)
        with trial(settings, tmp_path, "SIGKILL of one of three brokers", "the leader, then another") as world:
            world.wait_for_flow()
            victim = cluster.leader(settings)
            cluster.nodes[victim].kill()
            # Acknowledged by the other two, while the third is away.
            world.wait_for_flow(300)
            assert cluster.leader(settings) != victim
            cluster.nodes[victim].start()
            cluster.wait_in_sync(settings)
            other = next(node for node in cluster.nodes if node != victim)
            cluster.nodes[other].kill()
            world.wait_for_flow(300)
            cluster.nodes[other].start()
        cluster.wait_in_sync(settings)
