"""What one slice of a topic holds once it is decoded, and how a table trims it to its own offsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from sensorhouse.errors import OffsetGap

# Where a row came from; with the topic's id it is the row's identity.
POSITION = pl.Schema(
    {
        "partition": pl.Int32(),
        "offset": pl.Int64(),
        "index": pl.Int32(),
        "ingested_at": pl.Datetime("us", "UTC"),
    }
)
# `payload` is the reading alone as JSON, or the whole message where `index` is -1; `content_type` says which.
DEAD_LETTER = pl.Schema(
    {
        **POSITION,
        "reason": pl.String(),
        "payload": pl.Binary(),
        "content_type": pl.String(),
        "key": pl.Binary(),
        "upload_id": pl.String(),
    }
)
MESSAGES = pl.Schema(
    {
        "partition": pl.Int32(),
        "offset": pl.Int64(),
        "ingested_at": pl.Datetime("ms", "UTC"),
        "bytes": pl.UInt32(),
    }
)


@dataclass(frozen=True)
class Range:
    """Offsets `start` up to, not including, `end`; there may be holes."""

    start: int
    end: int


@dataclass(frozen=True)
class Batch:
    """A decoded slice.

    `rows` has the feed's columns and POSITION, `dead` has DEAD_LETTER, `messages` has MESSAGES, of every message that
    was read. Once the slice is whole, `rows` and `dead` have `checksum` (UInt64) as well, and `rows` has `is_cold`:
    whether the warehouse does without it. `read_s` and `decode_s` are how long it took to come to this.
    """

    topic: str
    topic_id: str
    ranges: Mapping[int, Range]
    messages: pl.DataFrame
    rows: pl.DataFrame
    dead: pl.DataFrame
    read_s: float = 0.0
    decode_s: float = 0.0

    def trimmed(self, next_offsets: Mapping[int, int]) -> Batch:
        """Without what a table that ends at `next_offsets` has already.

        Raises `OffsetGap` when the batch starts later than the table ends.
        """
        kept = {}
        for partition, covered in self.ranges.items():
            start = next_offsets[partition]
            if covered.start > start:
                raise OffsetGap(self.topic, partition, expected=start, got=covered.start)
            if covered.end > start:
                kept[partition] = Range(start, covered.end)
        if kept == dict(self.ranges):
            return self
        starts = pl.DataFrame(
            {"partition": list(kept), "start": [covered.start for covered in kept.values()]},
            schema={"partition": pl.Int32, "start": pl.Int64},
        )

        def after_start(frame: pl.DataFrame) -> pl.DataFrame:
            joined = frame.join(starts, on="partition", how="inner", maintain_order="left")
            return joined.filter(pl.col("offset") >= pl.col("start")).drop("start")

        return replace(
            self,
            ranges=kept,
            messages=after_start(self.messages),
            rows=after_start(self.rows),
            dead=after_start(self.dead),
        )

    def counts(self) -> pl.DataFrame:
        """One row per partition, with the columns that the table `slices` has, from start_offset to decode_s."""
        covered = pl.DataFrame(
            [(partition, covered.start, covered.end) for partition, covered in self.ranges.items()],
            schema={"partition": pl.Int32, "start_offset": pl.Int64, "end_offset": pl.Int64},
            orient="row",
        )
        count, cold = pl.len().cast(pl.Int64), pl.col("is_cold")
        parts = (
            self.messages.group_by("partition").agg(
                messages=count,
                bytes=pl.col("bytes").cast(pl.Int64).sum(),
                oldest_ingested_at=pl.col("ingested_at").min(),
                newest_ingested_at=pl.col("ingested_at").max(),
            ),
            self.rows.group_by("partition").agg(
                rows=count,
                cold=cold.sum().cast(pl.Int64),
                checksum=_sum("checksum"),
                cold_checksum=pl.col("checksum").filter(cold).sum().reinterpret(signed=True),
            ),
            self.dead.group_by("partition").agg(dead_letters=count, dead_checksum=_sum("checksum")),
        )
        for part in parts:
            covered = covered.join(part, on="partition", how="left")
        whole = len(self.ranges)
        return covered.with_columns(pl.selectors.integer().fill_null(0)).with_columns(
            read_s=pl.lit(self.read_s / whole), decode_s=pl.lit(self.decode_s / whole)
        )


def _sum(checksums: str) -> pl.Expr:
    """Modulo 2^64, as Postgres' bigint holds it."""
    return pl.col(checksums).sum().reinterpret(signed=True)


def merged(batches: list[Batch]) -> Batch:
    """Batches that follow each other, as one."""
    first = batches[0]
    if len(batches) == 1:
        return first
    ranges: dict[int, Range] = {}
    for batch in batches:
        for partition, covered in batch.ranges.items():
            before = ranges.get(partition)
            ranges[partition] = Range(before.start, covered.end) if before else covered
    return replace(
        first,
        ranges=ranges,
        messages=pl.concat([batch.messages for batch in batches]),
        rows=pl.concat([batch.rows for batch in batches]),
        dead=pl.concat([batch.dead for batch in batches]),
        read_s=sum(batch.read_s for batch in batches),
        decode_s=sum(batch.decode_s for batch in batches),
    )
