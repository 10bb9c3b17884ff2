"""The data plane in Prometheus' format: how far topics are read, how late, and what drains did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sensors_io.ends import TopicEnd
from warehouse.data_plane import DataPlane, TopicTotals

_COUNTED = {
    "slices": "Slices loaded into the warehouse.",
    "messages": "Messages drained.",
    "rows": "Rows decoded and taken.",
    "cold": "Rows outside of the warehouse's hot window, in the lake only.",
    "dead_letters": "Messages and readings that could not be taken.",
    "bytes": "Bytes of the messages' values.",
}


class DataPlaneCollector(Collector):
    """The newest look at Postgres and at Kafka; what one of them does not tell is left out, and its `up` is 0."""

    def __init__(self, plane: DataPlane | None, ends: Mapping[str, TopicEnd] | None) -> None:
        self._plane, self._ends = plane, ends

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        up = GaugeMetricFamily("sensorhouse_up", "Whether the server answered the last look.", labels=["server"])
        up.add_metric(["postgres"], float(self._plane is not None))
        up.add_metric(["kafka"], float(self._ends is not None))
        yield up
        if self._plane:
            yield from _counted(self._plane.topics)
            yield from _late(self._plane)
        if self._plane and self._ends is not None:
            yield from _lag(self._plane, self._ends)


def exposition(plane: DataPlane | None, ends: Mapping[str, TopicEnd] | None) -> bytes:
    """The families as text."""
    registry = CollectorRegistry()
    registry.register(DataPlaneCollector(plane, ends))
    return generate_latest(registry)


def _counted(topics: tuple[TopicTotals, ...]) -> Iterator[Metric]:
    for name, told in _COUNTED.items():
        family = CounterMetricFamily(f"sensorhouse_drained_{name}", told, labels=["topic"])
        for topic in topics:
            family.add_metric([topic.topic], getattr(topic, name))
        yield family
    seconds = CounterMetricFamily(
        "sensorhouse_drain_step_seconds", "Seconds of work on slices, by step.", labels=["topic", "step"]
    )
    commits = CounterMetricFamily("sensorhouse_lake_commits", "Commits to the lake.", labels=["topic", "table"])
    for topic in topics:
        for step, spent in topic.seconds.items():
            seconds.add_metric([topic.topic, step], spent)
        for table, count in topic.lake_commits.items():
            commits.add_metric([topic.topic, table], count)
    yield seconds
    yield commits


def _late(plane: DataPlane) -> Iterator[Metric]:
    freshness = GaugeMetricFamily(
        "sensorhouse_freshness_seconds",
        "From accepted by Kafka to loaded into the warehouse, over the last minute.",
        labels=["topic", "quantile"],
    )
    ages = GaugeMetricFamily(
        "sensorhouse_last_commit_age_seconds", "Seconds since the last commit.", labels=["topic", "sink"]
    )
    stamps = GaugeMetricFamily(
        "sensorhouse_last_commit_timestamp_seconds", "When the last commit was.", labels=["topic", "sink"]
    )
    for topic in plane.topics:
        for quantile, value in topic.freshness_s.items():
            freshness.add_metric([topic.topic, str(quantile)], value)
        for sink, at in _commits(topic):
            ages.add_metric([topic.topic, sink], max(0.0, (plane.taken_at - at).total_seconds()))
            stamps.add_metric([topic.topic, sink], at.timestamp())
    yield from (freshness, ages, stamps)
    yield GaugeMetricFamily("sensorhouse_touched_keys", "Partition keys that wait for a refresh.", plane.touched_keys)
    yield GaugeMetricFamily(
        "sensorhouse_drained_partitions", "Partitions on which a drain is at work.", plane.drained_partitions
    )


def _commits(topic: TopicTotals) -> Iterator[tuple[str, datetime]]:
    for sink, at in (("warehouse", topic.loaded_at), ("lake", topic.committed_at)):
        if at:
            yield sink, at


def _lag(plane: DataPlane, ends: Mapping[str, TopicEnd]) -> Iterator[Metric]:
    where = ["topic", "partition"]
    lag = GaugeMetricFamily("sensorhouse_lag_messages", "Offsets that some table has not got yet.", labels=where)
    end = GaugeMetricFamily("sensorhouse_log_end_offset", "Where the log ends.", labels=where)
    following = GaugeMetricFamily("sensorhouse_next_offset", "First offset that a sink lacks.", labels=[*where, "sink"])
    stopped = GaugeMetricFamily(
        "sensorhouse_partition_stopped", "1 when the log lost what comes next and a person must decide.", labels=where
    )
    for topic, told in ends.items():
        for partition, log in told.held.items():
            labels = [topic, str(partition)]
            sinks = {"warehouse": plane.loaded, "lake": plane.in_lake}
            reached = {sink: of.get(told.topic_id, {}).get(partition, log.low) for sink, of in sinks.items()}
            for sink, offset in reached.items():
                following.add_metric([*labels, sink], offset)
            lowest = min(reached.values())
            lost = not log.low <= lowest <= log.high_watermark
            lag.add_metric(labels, 0 if lost else log.high_watermark - lowest)
            end.add_metric(labels, log.high_watermark)
            stopped.add_metric(labels, float(lost))
    yield from (lag, end, following, stopped)
