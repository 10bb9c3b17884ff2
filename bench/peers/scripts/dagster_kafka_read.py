"""dagster-kafka's I/O manager as its documentation shows it: an asset whose input is a topic; nothing is written."""

import json
import sys
import time

import dagster as dg
from dagster_kafka import KafkaIOManager, KafkaResource

task = json.loads(sys.argv[1])


@dg.asset(ins={"messages": dg.AssetIn(key=dg.AssetKey([task["topic"]]), input_manager_key="kafka")})
def counted(messages) -> int:
    """How many messages one run gets."""
    return len(messages)


kafka = KafkaResource(bootstrap_servers=task["brokers"])
manager = KafkaIOManager(
    kafka_resource=kafka,
    consumer_group_id=f"dagster-{time.time()}",
    max_messages=task["readings"],
)
began = time.monotonic()
done = dg.materialize(
    [dg.AssetSpec(dg.AssetKey([task["topic"]])), counted],
    selection=[counted],
    resources={"kafka": manager},
)
print(json.dumps({"readings": done.output_for_node("counted"), "seconds": time.monotonic() - began}))
