"""A lake table of staged rows: read and written by one writer of a sensor type at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError

from sensorhouse.errors import DependencyDown
from sensors_io.lake import Lake

_TRIES = 5


class How(Enum):
    """How rows come into the table."""

    APPEND = "append"
    MERGE = "merge"
    REPLACE = "replace"


@dataclass(frozen=True)
class Change:
    """Rows to write; `where` is an SQL predicate for the partitions that are replaced, or hold what is merged."""

    rows: pl.DataFrame
    how: How
    where: str


def write(
    lake: Lake, name: str, sensor_type: str, make: Callable[[pl.LazyFrame], Change], *, on: tuple[str, ...]
) -> pl.LazyFrame:
    """Commit what `make` makes of the table's rows; returns the rows as they are then.

    Each commit goes through the handle that `make` was shown and carries the sensor type's own mark, so that of two
    writers who looked at the same rows only one commits; the other looks again. `make` must therefore be one that can
    be repeated, also when its commit has landed and only the answer was lost.
    """
    mark = f"staging/{sensor_type}"
    for attempt in range(_TRIES):
        handle = lake.table(name)
        change = make(pl.scan_delta(handle))
        properties = CommitProperties(app_transactions=[Transaction(mark, (handle.transaction_version(mark) or 0) + 1)])
        try:
            _commit(handle, change, properties, on)
        except (DeltaError, OSError) as error:
            if attempt + 1 == _TRIES:
                raise DependencyDown(f"the lake did not take {name}: {error}") from error
            continue
        return pl.scan_delta(handle)
    raise AssertionError("unreachable")


def _commit(handle: DeltaTable, change: Change, properties: CommitProperties, on: tuple[str, ...]) -> None:
    data = change.rows.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    if change.how is How.REPLACE:
        write_deltalake(handle, data, mode="overwrite", predicate=change.where, commit_properties=properties)
    elif change.how is How.MERGE:
        _merge(handle, data, change.where, properties, on)
    elif change.rows.height:
        write_deltalake(handle, data, mode="append", commit_properties=properties)


def _merge(handle: DeltaTable, data: object, where: str, properties: CommitProperties, on: tuple[str, ...]) -> None:
    """Put rows in the place of those that are equal `on` these columns; only the files that hold such are rewritten."""
    same = " and ".join(f"target.{column} = source.{column}" for column in on)
    (
        handle.merge(
            data,  # type: ignore[arg-type]
            f"{same} and {where}",
            source_alias="source",
            target_alias="target",
            # Else the files that hold none of the rows would be read too.
            streamed_exec=False,
            commit_properties=properties,
        )
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )
