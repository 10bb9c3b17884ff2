"""Quix Streams into Postgres, or into Parquet files, by its own sinks; a checkpoint every five seconds, its default."""

import json
import sys
import time

from quixstreams import Application

task = json.loads(sys.argv[1])


def postgres_sink():
    """Its Postgres sink, on a table that has the index that all of them have."""
    import psycopg2
    from psycopg2.extensions import make_dsn, parse_dsn
    from quixstreams.sinks.community.postgresql import PostgreSQLSink

    with psycopg2.connect(make_dsn(task["url"])) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            create table quixstreams (
                timestamp timestamp not null, __key text, sensor_id text, sensor_type text, metric text,
                event_time timestamptz, value double precision, unit text, quality bigint
            )
            """
        )
        cursor.execute("create index on quixstreams (sensor_id, event_time)")
    connection.close()
    where = parse_dsn(task["url"])
    return PostgreSQLSink(
        host=where["host"],
        port=int(where["port"]),
        dbname=where["dbname"],
        user=where["user"],
        password=where["password"],
        table_name="quixstreams",
    )


def parquet_sink():
    """Its file sink, in the form that columns are stored in."""
    from quixstreams.sinks.community.file.formats import ParquetFormat
    from quixstreams.sinks.community.file.local import LocalFileSink

    # Below the folder it was started in: it takes no path with a dash.
    return LocalFileSink(directory="files", format=ParquetFormat())


application = Application(
    broker_address=task["brokers"],
    consumer_group=f"quixstreams-{time.time()}",
    auto_offset_reset="earliest",
    loglevel="WARNING",
)
topic = application.topic(task["topic"], key_deserializer="str", value_deserializer="json")
application.dataframe(topic).sink(postgres_sink() if task["sink"] == "postgres" else parquet_sink())
began = time.monotonic()
application.run(count=task["readings"], timeout=30)
print(json.dumps({"readings": task["readings"], "seconds": time.monotonic() - began}))
