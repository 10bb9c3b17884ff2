"""Lake tables kept in order: small files put together, old versions and old days dropped, checkpoints made."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from sensorhouse.errors import DependencyDown
from sensors_io.lake import Lake

T = TypeVar("T")

# What compaction aims at, and what counts as small: two small ones fit into one of the size aimed at.
TARGET_BYTES = 100 << 20
SMALL_BYTES = TARGET_BYTES // 2
# A file is counted under the first name whose size it doesn't exceed.
_ENDS = (1 << 20, 10 << 20, 50 << 20, 100 << 20)
_NAMES = ("up to 1 MiB", "up to 10 MiB", "up to 50 MiB", "up to 100 MiB", "larger")
_TRIES = 5


@dataclass(frozen=True)
class Partition:
    """One partition of a table, by its columns' values, and how many of its files are small."""

    values: dict[str, str]
    small_files: int


@dataclass(frozen=True)
class Files:
    """A table's files at one moment: how many, how large together, and how many of each size."""

    count: int
    size_bytes: int
    sizes: dict[str, int]


def files(lake: Lake, name: str) -> Files:
    """What files a table consists of."""
    sizes = _files(lake.table(name)).get_column("size_bytes").to_list()
    counted = Counter(_NAMES[bisect_left(_ENDS, size)] for size in sizes)
    return Files(len(sizes), sum(sizes), {name: counted[name] for name in _NAMES})


def scattered(
    lake: Lake, name: str, *, day_column: str, today: date, open_from: int, sensor_type: str | None = None
) -> list[Partition]:
    """Partitions that are worth compacting: of days before `today` those with two small files, others with `open_from`.

    The oldest first.
    """
    found = _files(lake.table(name))
    columns = [column for column in found.columns if column.startswith("partition.")]
    if not found.height or not columns:
        return []
    day = f"partition.{day_column}"
    if sensor_type is not None:
        found = found.filter(pl.col("partition.sensor_type") == sensor_type)
    small = (
        found.filter(pl.col("size_bytes") < SMALL_BYTES)
        .group_by(columns)
        .len()
        .filter(pl.col("len") >= pl.when(pl.col(day).cast(pl.Date) < today).then(2).otherwise(open_from))
        .sort(columns)
    )
    return [
        Partition({column.removeprefix("partition."): str(row[column]) for column in columns}, row["len"])
        for row in small.iter_rows(named=True)
    ]


def compact(lake: Lake, name: str, partition: Partition) -> int:
    """Put the partition's small files together; returns by how many files the table got fewer.

    Safe beside those who append. Beside those who replace rows, one of the two fails and is tried again.
    """
    chosen = [(column, "=", value) for column, value in partition.values.items()]

    def once(handle: DeltaTable) -> int:
        done = handle.optimize.compact(partition_filters=chosen, target_size=TARGET_BYTES)
        return int(done["numFilesRemoved"]) - int(done["numFilesAdded"])

    return _again_and_again(lake, name, once)


def drop_days(lake: Lake, name: str, *, day_column: str, before: date) -> int:
    """Drop the days before that one; returns how many rows that were. Their files go with the next vacuum."""

    def once(handle: DeltaTable) -> int:
        held = _files(handle)
        if not held.height or held.filter(pl.col(f"partition.{day_column}").cast(pl.Date) < before).height == 0:
            return 0
        return int(handle.delete(f"{day_column} < '{before.isoformat()}'")["num_deleted_rows"])

    return _again_and_again(lake, name, once)


def vacuum(lake: Lake, name: str, *, keep: timedelta) -> int:
    """Delete files that no version of the last `keep` needs; returns how many. Those not yet committed stay."""
    hours = round(keep.total_seconds() / 3600)

    def once(handle: DeltaTable) -> int:
        return len(handle.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False))

    return _again_and_again(lake, name, once)


def checkpoint(lake: Lake, name: str) -> None:
    """Write the table's state down as a whole, so that opening it reads no long log; drop the log's expired part."""

    def once(handle: DeltaTable) -> None:
        handle.create_checkpoint()
        handle.cleanup_metadata()

    _again_and_again(lake, name, once)


def _files(handle: DeltaTable) -> pl.DataFrame:
    """One row per file: size_bytes, num_records, and `partition.` and the name of each partition column."""
    return pl.DataFrame(pa.table(handle.get_add_actions(flatten=True)))


def _again_and_again(lake: Lake, name: str, once: Callable[[DeltaTable], T]) -> T:
    """On the newest version each time, while another's commit comes in between; raises `DependencyDown` in the end."""
    for attempt in range(_TRIES):
        try:
            return once(lake.table(name))
        except (DeltaError, OSError) as error:
            if attempt + 1 == _TRIES:
                raise DependencyDown(f"the lake did not let {name} be kept in order: {error}") from error
    raise AssertionError("unreachable")
