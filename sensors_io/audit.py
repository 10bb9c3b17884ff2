"""The audit: every row looked at again, wherever it is, and held against what its slice amounted to when decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.decoding import dead_letter_checksums
from sensors_io.feeds import DEAD_LETTERS, Feed
from sensors_io.lake import Lake, mark
from sensors_io.read_ahead import PART_BYTES, PART_MESSAGES
from sensors_io.slices import SliceReader
from warehouse.stored import Stored, at_one_moment

_PIECE_ROWS = 500_000
_KEY = ("partition", "start_offset")
_FOUND = {"partition": pl.Int32, "start_offset": pl.Int64, "found": pl.UInt32, "sum": pl.Int64}


@dataclass(frozen=True)
class Apart:
    """A range of offsets of which a table holds something else than was decoded.

    With as many rows as expected, their content differs.
    """

    where: str
    partition: int
    start_offset: int
    end_offset: int
    expected: int
    found: int

    def __str__(self) -> str:
        what = "other content" if self.expected == self.found else f"{self.found} rows, not {self.expected}"
        return f"{self.where}: partition {self.partition}, offsets {self.start_offset} to {self.end_offset}: {what}"


@dataclass(frozen=True)
class Audit:
    """What differs, and how many rows and dead letters Kafka still holds of what was drained."""

    apart: tuple[Apart, ...]
    in_kafka: int


def audit(settings: Settings, feed: Feed, lake: Lake, topic: kafka.Topic) -> Audit:
    """Read the topic, the lake and the warehouse once more, all rows.

    Holds a few pieces of half a million rows at a time. Raises `DependencyDown` when a server does not answer.
    """
    with at_one_moment(settings.database_url, topic.id) as stored:
        slices, loaded = stored.slices(), stored.next_offsets()
        apart = _of_warehouse(stored, feed, slices)
    apart += _of_lake(feed, lake, topic, slices)
    in_kafka, of_kafka = _of_kafka(settings, feed, topic, slices, loaded)
    return Audit((*apart, *of_kafka), in_kafka)


def _of_warehouse(stored: Stored, feed: Feed, slices: pl.DataFrame) -> list[Apart]:
    left_out = pl.col("cold") + pl.col("retired")
    sums = pl.col("checksum") - pl.col("cold_checksum") - pl.col("retired_checksum")
    rows = _expected(slices, pl.col("rows") - left_out, sums)
    table, letters = feed.warehouse_table, _expected(slices, pl.col("dead_letters"), pl.col("dead_checksum"))
    return [
        *_compared(f"warehouse {table}", rows, _checked(stored.rows(table), feed.checksums)),
        *_compared("warehouse dead_letters", letters, _checked(stored.rows("dead_letters"), dead_letter_checksums)),
    ]


def _of_lake(feed: Feed, lake: Lake, topic: kafka.Topic, slices: pl.DataFrame) -> list[Apart]:
    tables = (
        (feed.lake_table, pl.col("rows"), pl.col("checksum"), feed.checksums),
        (DEAD_LETTERS, pl.col("dead_letters"), pl.col("dead_checksum"), dead_letter_checksums),
    )
    apart: list[Apart] = []
    for name, count, checksum, checksums in tables:
        if lake.has(name):
            handle = lake.table(name)
            marks = {partition: mark(handle, topic.id, partition) or 0 for partition in topic.partitions}
            # The lake may be behind the warehouse; a slice that it has in part is looked at when it has the rest.
            reached = slices.filter(
                pl.col("end_offset") <= pl.col("partition").replace_strict(marks, default=0, return_dtype=pl.Int64)
            )
            ends = dict(reached.group_by("partition").agg(pl.col("end_offset").max()).iter_rows())
            rows = pl.scan_delta(handle).filter(pl.col("topic_id") == topic.id)
            pieces = rows.collect_batches(chunk_size=_PIECE_ROWS, maintain_order=False)
            expected = _expected(reached, count, checksum)
            apart += _compared(f"lake {name}", expected, _checked(_before(pieces, ends), checksums))
    return apart


def _of_kafka(
    settings: Settings, feed: Feed, topic: kafka.Topic, slices: pl.DataFrame, loaded: dict[int, int]
) -> tuple[int, list[Apart]]:
    """Decode what Kafka still holds of the loaded slices once more.

    Rows and dead letters are counted together: what was refused may be taken today, when its sensor type is known.
    """
    client = kafka.admin(settings)
    held = {p: log for p, log in kafka.log_ranges(client, topic).items() if log.low < loaded.get(p, 0)}
    lows = pl.col("partition").replace_strict(
        {p: log.low for p, log in held.items()}, default=None, return_dtype=pl.Int64
    )
    whole = slices.filter(pl.col("start_offset") >= lows)
    starts = dict(whole.group_by("partition").agg(pl.col("start_offset").min()).iter_rows())
    ends = dict(whole.group_by("partition").agg(pl.col("end_offset").max()).iter_rows())

    found = 0

    def pieces() -> Iterator[pl.DataFrame]:
        nonlocal found
        at = dict(starts)
        reader = SliceReader(kafka.consumer(settings), client, topic, starts, backlog=ends)
        try:
            while any(offset < ends[partition] for partition, offset in at.items()):
                read = reader.read(max_messages=PART_MESSAGES, max_bytes=PART_BYTES, max_age_s=5.0)
                if read is None:
                    return
                at |= {partition: covered.end for partition, covered in read.ranges.items()}
                batch = feed.decode(read)
                reader.confirm()
                found += batch.rows.height + batch.dead.height
                for frame in (batch.rows, batch.dead):
                    yield frame.select("partition", "offset", checksum=pl.lit(0, pl.UInt64))
        finally:
            reader.close()

    expected = _expected(whole, pl.col("rows") + pl.col("dead_letters"), pl.lit(0, pl.Int64))
    apart = _compared("Kafka", expected, _before(pieces(), ends)) if starts else []
    return found, apart


def _expected(slices: pl.DataFrame, rows: pl.Expr, checksum: pl.Expr) -> pl.DataFrame:
    """`checksum` is null where it was not kept, and then not compared."""
    return slices.select(*_KEY, "end_offset", expected=rows, expected_sum=checksum)


def _checked(pieces: Iterable[pl.DataFrame], checksums: Callable[[pl.DataFrame], pl.Series]) -> Iterator[pl.DataFrame]:
    for piece in pieces:
        yield piece.select(pl.col("partition").cast(pl.Int32), "offset", checksums(piece).alias("checksum"))


def _before(pieces: Iterable[pl.DataFrame], ends: dict[int, int]) -> Iterator[pl.DataFrame]:
    """The rows below each partition's end."""
    end = pl.col("partition").replace_strict(ends, default=0, return_dtype=pl.Int64)
    for piece in pieces:
        yield piece.filter(pl.col("offset") < end)


def _compared(where: str, expected: pl.DataFrame, pieces: Iterable[pl.DataFrame]) -> list[Apart]:
    """Hold rows (partition, offset, checksum) against what their slices should amount to."""
    starts = expected.select(*_KEY, "end_offset").sort("start_offset")
    nothing = pl.DataFrame(
        schema={"partition": pl.Int32, "start_offset": pl.Int64, "found": pl.UInt32, "sum": pl.Int64}
    )
    found = [nothing]
    for piece in pieces:
        placed = piece.sort("offset").join_asof(
            # Both are sorted just here, which polars can't see with `by`.
            starts,
            left_on="offset",
            right_on="start_offset",
            by="partition",
            strategy="backward",
            check_sortedness=False,
        )
        # Rows that are in no slice stand alone, at their own offset.
        inside = pl.col("offset") < pl.col("end_offset")
        found.append(
            placed.with_columns(start_offset=pl.when(inside).then("start_offset").otherwise("offset"))
            .group_by(_KEY)
            .agg(found=pl.len(), sum=pl.col("checksum").sum().reinterpret(signed=True))
        )
    summed = pl.concat(found).group_by(_KEY).agg(pl.col("found").sum(), pl.col("sum").sum())
    both = expected.join(summed, on=_KEY, how="full", coalesce=True).with_columns(
        pl.col("expected", "found").fill_null(0),
        pl.col("sum").fill_null(0),
        pl.col("end_offset").fill_null(pl.col("start_offset") + 1),
    )
    differs = (pl.col("expected") != pl.col("found")) | (pl.col("expected_sum") != pl.col("sum")).fill_null(False)
    return [
        Apart(where, *row)
        for row in both.filter(differs).sort(_KEY).select(*_KEY, "end_offset", "expected", "found").iter_rows()
    ]
