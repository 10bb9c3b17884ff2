"""dlt into Postgres: a resource that yields parsed messages, loaded as CSV by COPY."""

import json
import sys
import time

import dlt
import psycopg2
from confluent_kafka import Consumer, TopicPartition

task = json.loads(sys.argv[1])
consumer = Consumer({"bootstrap.servers": task["brokers"], "group.id": "dlt", "enable.auto.commit": False})
consumer.assign([TopicPartition(task["topic"], partition, 0) for partition in range(task["partitions"])])


@dlt.resource(name="readings", write_disposition="append")
def readings(count):
    """The next `count` messages, and where each came from."""
    while count > 0:
        messages = consumer.consume(min(5_000, count), timeout=5.0)
        if not messages:
            return
        count -= len(messages)
        yield [
            {**json.loads(message.value()), "_partition": message.partition(), "_offset": message.offset()}
            for message in messages
        ]


destination = dlt.destinations.postgres(task["url"])
pipeline = dlt.pipeline("readings", destination=destination, dataset_name="dlt", pipelines_dir=task["folder"])
# A few make the table; then it gets the index that all of them have.
first = 100
pipeline.run(readings(first), loader_file_format="csv")
with psycopg2.connect(task["url"]) as connection, connection.cursor() as cursor:
    cursor.execute("create index on dlt.readings (sensor_id, event_time)")
connection.close()
began = time.monotonic()
pipeline.run(readings(task["readings"] - first), loader_file_format="csv")
print(json.dumps({"readings": task["readings"] - first, "seconds": time.monotonic() - began}))
