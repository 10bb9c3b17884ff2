"""How the rows of each feed lie in Postgres: order events one by one, readings as chunks of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from warehouse.batches import Batch, Range
from warehouse.load import Cursor, ingest
from warehouse.unit_limits import hold_against_limits
from warehouse.watching import WATCHED, Watcher, watch

_ORDER_EVENT = (
    *("partition", "offset", "event_id", "order_id", "version", "type", "status", "customer_id", "sku"),
    *("quantity", "reason", "actor", "occurred_at", "ingested_at"),
)

_OPTIONAL = {"qualities": "quality", "stations": "station", "attributes": "attributes"}
SERIES = ("sensor_id", "sensor_type", "metric", "unit")
_KNOWN = pl.Schema({**dict.fromkeys(SERIES, pl.String()), "series_id": pl.Int32()})


class OrderEventStore:
    """Stores order events, one row each."""

    def prepare(self, batch: Batch) -> pl.DataFrame:
        """The rows of the table `raw_orders`."""
        return batch.rows.select(_ORDER_EVENT).with_columns(topic_id=pl.lit(batch.topic_id))

    def write(self, cursor: Cursor, rows: pl.DataFrame) -> None:
        """Write the rows."""
        if rows.height:
            ingest(cursor, "raw_orders", rows)


@dataclass(frozen=True)
class Chunks:
    """A batch's readings as chunks, the series that they are of, and the partition keys that the whole batch touches.

    `chunks` and `series` have `series`, the series' number within the batch; `series` has SERIES as well. `keys` are
    by topic partition, with the offset that it is touched up to. `log` are the readings themselves, in log order within
    a partition, for whoever watches.
    """

    topic_id: str
    ranges: Mapping[int, Range]
    chunks: pl.DataFrame
    series: pl.DataFrame
    keys: pl.DataFrame
    log: pl.DataFrame


class ReadingStore:
    """Stores readings as chunks: one row per series, event day and partition, with arrays in step.

    With a `watcher`, each slice is watched in the transaction that stores it.
    """

    def __init__(self, watcher: Watcher | None = None) -> None:
        self._known = _KNOWN.to_frame()
        self._watcher = watcher

    def prepare(self, batch: Batch) -> Chunks:
        """The chunks of what is not cold."""
        rows = batch.rows.with_columns(day=pl.col("event_time").dt.date())
        hot = rows.filter(~pl.col("is_cold")) if rows.get_column("is_cold").any() else rows
        return Chunks(
            topic_id=batch.topic_id,
            ranges=batch.ranges,
            chunks=_chunks(hot, batch.topic_id),
            series=hot.select("series", *SERIES).unique("series"),
            keys=_keys(batch, rows),
            log=hot.select("partition", "series", "event_time", "value"),
        )

    def write(self, cursor: Cursor, rows: Chunks) -> None:
        """Write the chunks, record the keys, test the units, and let the watcher see the readings."""
        numbers = self._numbered(cursor, rows.series)
        if rows.chunks.height:
            numbered = rows.chunks.join(numbers, on="series", how="left").drop("series")
            ingest(cursor, "reading_chunks", numbered)
        if rows.keys.height:
            _touch(cursor, rows.keys)
        log = rows.log.join(numbers, on="series", how="left", maintain_order="left")
        readings = log.select("partition", *(pl.col(name).cast(kind) for name, kind in WATCHED.items()))
        hold_against_limits(cursor, readings)
        if self._watcher:
            watch(cursor, self._watcher, rows.topic_id, rows.ranges, readings)

    def _numbered(self, cursor: Cursor, series: pl.DataFrame) -> pl.DataFrame:
        """Per series, its `series_id`; those that are new get one."""
        numbered = series.join(self._known, on=SERIES, how="left")
        if numbered.get_column("series_id").null_count():
            new = numbered.filter(pl.col("series_id").is_null()).select(SERIES).unique()
            self._known = pl.concat([self._known, _learn(cursor, new)], rechunk=True)
            numbered = series.join(self._known, on=SERIES, how="left")
        return numbered.select("series", "series_id")


def _keys(batch: Batch, rows: pl.DataFrame) -> pl.DataFrame:
    """The partition keys that the batch's rows belong to."""
    ends = pl.DataFrame(
        [(partition, covered.end) for partition, covered in batch.ranges.items()],
        schema={"partition": pl.Int32, "end_offset": pl.Int64},
        orient="row",
    )
    touched = rows.select("day", "sensor_type", "partition").unique()
    return touched.join(ends, on="partition").with_columns(topic_id=pl.lit(batch.topic_id))


def _touch(cursor: Cursor, keys: pl.DataFrame) -> None:
    """Record that the keys were touched."""
    ingest(cursor, "incoming_keys", keys, temp=True)
    cursor.execute(
        """
        insert into touched_keys (day, sensor_type, topic_id, partition, end_offset)
        select day, sensor_type, topic_id, partition, end_offset from incoming_keys
        order by 1, 2, 3, 4
        on conflict (day, sensor_type, topic_id, partition) do update set
            end_offset = excluded.end_offset,
            touched_at = now()
        """
    )


def _learn(cursor: Cursor, new: pl.DataFrame) -> pl.DataFrame:
    """Number these series, or find the numbers that they have; returns _KNOWN."""
    ingest(cursor, "incoming_series", new, temp=True)
    # Ordered, so that two drains that meet the same new sensors can't lock each other out.
    cursor.execute(
        f"""
        insert into series ({", ".join(SERIES)})
        select {", ".join(SERIES)} from incoming_series as i
        where not exists (
            select from series as s
            where (s.sensor_id, s.metric, s.unit, s.sensor_type) = (i.sensor_id, i.metric, i.unit, i.sensor_type)
        )
        order by {", ".join(SERIES)}
        on conflict do nothing
        """
    )
    cursor.execute(f"select series_id, {', '.join(SERIES)} from series natural join incoming_series")
    return pl.DataFrame(cursor.fetch_arrow_table()).select(pl.col(name).cast(kind) for name, kind in _KNOWN.items())


def _chunks(rows: pl.DataFrame, topic_id: str) -> pl.DataFrame:
    said = {plural: pl.col(one) for plural, one in _OPTIONAL.items() if rows.get_column(one).null_count() < rows.height}
    chunks = (
        # Rows come in the order of their offsets and indexes, which stays among those of the same time.
        rows.sort("event_time", maintain_order=True)
        .group_by("series", "day", "partition", maintain_order=True)
        .agg(
            t_min=pl.col("event_time").min(),
            t_max=pl.col("event_time").max(),
            event_times=pl.col("event_time"),
            readings=pl.col("value"),
            offsets=pl.col("offset"),
            indexes=pl.col("index"),
            ingested_ats=pl.col("ingested_at"),
            **said,
            **{f"has {plural}": one.is_not_null().any() for plural, one in said.items()},
        )
    )
    # A column that says nothing in this chunk is null rather than an array of nulls.
    return chunks.with_columns(pl.when(f"has {plural}").then(plural).alias(plural) for plural in said).select(
        pl.exclude([f"has {plural}" for plural in said]), topic_id=pl.lit(topic_id)
    )
