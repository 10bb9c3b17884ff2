"""Slices of readings to batches: decoded, judged and checked; a series that was seen before is not looked at again."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta

import polars as pl

from sensors_io import codecs
from sensors_io.decoding import batch_of, checked, positions_of
from sensors_io.refusals import refusals
from sensors_io.slices import Slice
from sensors_io.validation import judge
from warehouse.batches import Batch
from warehouse.checksums import TextKeys, row_checksums
from warehouse.stores import SERIES

_SERIES_KEYS = TextKeys(SERIES)


class ReadingDecoder:
    """Decodes readings in any content type; several threads may do so at once."""

    def __init__(self, sensor_types: Collection[str], *, hot_days: int) -> None:
        self._sensor_types, self._hot_days = sensor_types, hot_days
        # Of series that were judged and found right.
        self._series = TextKeys(SERIES)

    def decode(self, read: Slice) -> Batch:
        """Decode and judge readings, in the order of their messages; what is not taken is dead.

        Each row has its series' number (`series`) and key. Junk can be forty times as large decoded, until it is
        counted out: the slice should be a part of a few MiB.
        """
        began = time.monotonic()
        messages = read.messages.frame()
        positions = positions_of(messages)
        decoded = codecs.decode(read.messages.values, read.messages.content_types)
        found = decoded.readings
        if not found.get_column("message").is_sorted():
            found = found.sort("message", "index")
        rows, refused = self._judged(found.hstack(positions.drop("message")[found.get_column("message")]))
        rejected = refusals(decoded.rejected, refused, messages.get_column("bytes"))
        return batch_of(read, messages, positions, rows.drop("message"), rejected, began)

    def finish(self, batch: Batch) -> Batch:
        """Tell cold readings, and add checksums."""
        began = time.monotonic()
        oldest_hot = pl.col("ingested_at").dt.date() - timedelta(days=self._hot_days)
        is_cold = pl.col("event_time").dt.date() < oldest_hot
        return checked(batch, batch.rows.with_columns(reading_checksums(batch.rows), is_cold=is_cold), began)

    def _judged(self, readings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Those to keep, with `series` and `series_key`, and those to reject with their reasons."""
        series = self._series.find(readings)
        known = SERIES if series.get_column("key").null_count() == 0 else ()
        rows, refused = judge(readings, sensor_types=self._sensor_types, seen_at=pl.col("ingested_at"), known=known)
        if not known or refused.height:
            series = self._series(rows)
        return rows.hstack(series.select(series="number", series_key="key")), refused


def reading_checksums(rows: pl.DataFrame) -> pl.Series:
    """The checksum of each raw reading: where it came from and everything it says."""
    known = rows.get_column("series_key") if "series_key" in rows.columns else _SERIES_KEYS(rows).get_column("key")
    return row_checksums(
        rows,
        keys=[known],
        texts=[("station",), ("attributes",)],
        numbers=("partition", "offset", "index", "ingested_at", "event_time", "value", "quality"),
    )
