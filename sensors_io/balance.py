"""The balance: what Kafka, the ledger, the lake and the warehouse hold of a topic, and whether it agrees."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.feeds import DEAD_LETTERS, Feed
from sensors_io.lake import Lake
from sensors_io.slices import SliceReader
from warehouse import balance as warehouse
from warehouse import ledger
from warehouse.database import connect


@dataclass(frozen=True)
class Balance:
    """Of one topic. `in_kafka`, `repeated_in_*` are null unless every row was looked at."""

    topic: str
    lag: int
    messages: int
    decoded: int
    lake_rows: int
    lake_dead_letters: int
    warehouse_rows: int
    warehouse_dead_letters: int
    gaps: int
    in_kafka: int | None = None
    repeated_in_lake: int | None = None
    repeated_in_warehouse: int | None = None

    @property
    def differences(self) -> dict[str, int]:
        """What does not agree, by name; empty when everything does. All are rows, but for gaps and lag."""
        found = {
            "messages not drained": self.lag,
            "gaps between slices": self.gaps,
            "decoded but not in the lake": self.decoded - self.lake_rows - self.lake_dead_letters,
            "decoded but not in the warehouse": self.decoded - self.warehouse_rows - self.warehouse_dead_letters,
            "lake and warehouse apart": self.lake_rows - self.warehouse_rows,
            "in Kafka but not decoded": 0 if self.in_kafka is None else self.in_kafka - self.decoded,
            "twice in the lake": self.repeated_in_lake or 0,
            "twice in the warehouse": self.repeated_in_warehouse or 0,
        }
        return {name: count for name, count in found.items() if count}


def balance(settings: Settings, feed: Feed, lake: Lake, *, full: bool = False) -> Balance:
    """Count a topic everywhere; `full` reads Kafka again and looks at every row's position.

    Raises `DependencyDown` when a server does not answer.
    """
    client = kafka.admin(settings)
    topic = kafka.describe(client, feed.topic)
    ends = {partition: held.high_watermark for partition, held in kafka.log_ranges(client, topic).items()}
    with connect(settings.database_url) as connection:
        loaded = ledger.next_offsets(connection, topic.id)
        marks = ledger.lake_marks(connection, topic.id)
        counted = warehouse.counts(connection, topic.id, feed.warehouse_table)
        repeated = warehouse.repeated(connection, topic.id, feed.warehouse_table) if full else None
    rows, letters = _of_topic(lake, feed.lake_table, topic.id), _of_topic(lake, DEAD_LETTERS, topic.id)
    return Balance(
        topic=feed.topic,
        lag=sum(max(0, end - min(loaded.get(p, 0), marks.get(p, 0))) for p, end in ends.items()),
        messages=counted.messages,
        decoded=counted.decoded,
        lake_rows=_count(rows),
        lake_dead_letters=_count(letters),
        warehouse_rows=counted.rows,
        warehouse_dead_letters=counted.dead_letters,
        gaps=counted.gaps,
        in_kafka=_count_again(settings, feed, topic, loaded) if full else None,
        repeated_in_lake=_count(rows) - _count(rows.unique()) if full else None,
        repeated_in_warehouse=repeated,
    )


def _of_topic(lake: Lake, table: str, topic_id: str) -> pl.LazyFrame:
    """The positions of a topic's rows."""
    if not lake.has(table):
        return pl.LazyFrame({"partition": []})
    return lake.scan(table).filter(pl.col("topic_id") == topic_id).select("partition", "offset", "index")


def _count(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect().item())


def _count_again(settings: Settings, feed: Feed, topic: kafka.Topic, until: dict[int, int]) -> int:
    """Decode what Kafka holds up to `until` once more; rows and dead letters together."""
    held = kafka.log_ranges(kafka.admin(settings), topic)
    at = {partition: held[partition].low for partition in until if held[partition].low < until[partition]}
    counted = 0
    reader = SliceReader(kafka.consumer(settings), topic, at)
    try:
        while any(offset < until[partition] for partition, offset in at.items()):
            read = reader.read(max_messages=settings.slice_rows, max_bytes=settings.slice_bytes, max_age_s=1.0)
            if read is None:
                break
            at |= {partition: covered.end for partition, covered in read.ranges.items()}
            batch = feed.decode(read)
            for frame in (batch.rows, batch.dead):
                limits = pl.col("partition").replace_strict(until, return_dtype=pl.Int64)
                counted += frame.filter(pl.col("offset") < limits).height
    finally:
        reader.close()
    return counted
