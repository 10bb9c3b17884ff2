"""Partition keys staged: rebuilt from all their raw readings, or gone on with from where staging had got."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import reduce
from operator import or_

import polars as pl

from assets.partition_keys import Key, commits
from assets.staging import IDENTITY, READINGS, counted, days_of_type, increment, stage
from sensorhouse.settings import Settings
from sensors_io import staged_table
from sensors_io.lake import Lake
from sensors_io.staged_table import Change, How
from warehouse import locks, positions, staged
from warehouse.database import connect
from warehouse.locks import Lock

_TABLE = "readings"


class StagingStep(StrEnum):
    """What was just done. Staging may die at any of these: done again, it comes to the same."""

    POSITIONS_READ = "positions read"
    RAW_READ = "raw readings read"
    STAGED_READ = "staged readings read"
    LAKE_COMMITTED = "staged readings committed"
    COUNTED = "staged readings counted"
    REMEMBERED = "counts and positions committed"


AtStep = Callable[[StagingStep], None]
"""Called at each step; it may kill the process."""


def no_step(_: StagingStep) -> None:
    """What staging calls when nobody listens."""


@dataclass(frozen=True)
class Staged:
    """What a partition key holds, raw = staged + duplicates + revisions, and what it took to get there.

    `rows_read` are raw rows, `rows_added` new staged ones, `rows_changed` staged ones that were there before.
    """

    key: Key
    raw: int
    staged: int
    duplicates: int
    revisions: int
    sensors: int
    rows_read: int
    rows_added: int
    rows_changed: int
    rebuilt: bool


@dataclass(frozen=True)
class _Work:
    """A change to the table, and what it was made of."""

    change: Change
    read: pl.DataFrame
    changed: pl.DataFrame


def stage_keys(
    settings: Settings, lake: Lake, keys: Sequence[Key], *, rebuild: bool = False, step: AtStep = no_step
) -> Iterator[Staged]:
    """Bring these partition keys up to what is raw; done twice, or killed and done again, it leaves the same rows.

    Only raw readings that came since the last time are read, and only files with readings that they revise or repeat
    are rewritten. With `rebuild`, all that a key has is made anew from all its raw readings.
    """
    lake.create(_TABLE, READINGS, partition_by=["day", "sensor_type"])
    for sensor_type, type_days in commits(keys):
        yield from _stage_days(settings, lake, sensor_type, type_days, rebuild, step)


def _stage_days(
    settings: Settings, lake: Lake, sensor_type: str, type_days: Sequence[date], rebuild: bool, step: AtStep
) -> list[Staged]:
    made: list[_Work] = []
    # Nobody else stages this type meanwhile: two at once would only make each other look again.
    with connect(settings.database_url) as connection:
        locks.wait_for(connection, Lock.STAGING, sensor_type)
        reached = positions.positions(connection, settings.readings_topic, sensor_type, type_days)
        step(StagingStep.POSITIONS_READ)

        def make(there: pl.LazyFrame) -> Change:
            work = None if rebuild else _goes_on(lake, there, sensor_type, type_days, reached, step)
            made.append(work or _anew(lake, sensor_type, type_days, step))
            return made[-1].change

        rows = staged_table.write(lake, _TABLE, sensor_type, make, on=IDENTITY)
        step(StagingStep.LAKE_COMMITTED)
        counts = counted(rows, sensor_type, type_days)
        step(StagingStep.COUNTED)
        staged.remember(connection, counts.drop("sensors"))
        positions.advance(connection, sensor_type, reached)
    step(StagingStep.REMEMBERED)
    return _results(counts, sensor_type, made[-1])


def _anew(lake: Lake, sensor_type: str, type_days: Sequence[date], step: AtStep) -> _Work:
    """All of these days, from all their raw rows."""
    raw = _raw_of_days(lake, sensor_type, type_days).collect()
    step(StagingStep.RAW_READ)
    change = Change(stage(raw), How.REPLACE, days_of_type(sensor_type, type_days))
    return _Work(change, read=raw, changed=READINGS.to_frame())


def _goes_on(
    lake: Lake, there: pl.LazyFrame, sensor_type: str, type_days: Sequence[date], reached: pl.DataFrame, step: AtStep
) -> _Work | None:
    """What came since staging looked last; None where only all raw rows together can tell."""
    fresh = _fresh(lake, sensor_type, type_days, reached)
    step(StagingStep.RAW_READ)
    met = _met(there, fresh, sensor_type, type_days)
    step(StagingStep.STAGED_READ)
    outcome = increment(fresh, met)
    if outcome is None:
        return None
    new, changed = outcome
    if changed.height:
        rows, where = pl.concat([new, changed]), days_of_type(sensor_type, type_days, of="target.")
        return _Work(Change(rows, How.MERGE, where), fresh, changed)
    return _Work(Change(new, How.APPEND, ""), fresh, changed)


def _fresh(lake: Lake, sensor_type: str, type_days: Sequence[date], reached: pl.DataFrame) -> pl.DataFrame:
    """The raw rows of these days that no earlier staging has seen for sure."""
    raw = _raw_of_days(lake, sensor_type, type_days)
    behind = reached.filter(pl.col("next_offset") < pl.col("end_offset"))
    if not behind.height:
        return raw.limit(0).collect()
    # The days together, so that files are skipped by their offsets; then each day by its own.
    ranges = behind.group_by("topic_id", "partition").agg(pl.col("next_offset").min(), pl.col("end_offset").max())
    wanted = reduce(or_, (_within(*row) for row in ranges.iter_rows()))
    return (
        raw.filter(wanted)
        .with_columns(day=pl.col("event_time").dt.date())
        .collect()
        .join(behind, on=["day", "topic_id", "partition"], maintain_order="left")
        .filter(pl.col("offset") >= pl.col("next_offset"))
        .drop("day", "next_offset", "end_offset")
    )


def _within(topic_id: str, partition: int, start: int, end: int) -> pl.Expr:
    of_partition = (pl.col("topic_id") == topic_id) & (pl.col("partition") == partition)
    return of_partition & (pl.col("offset") >= start) & (pl.col("offset") < end)


def _met(there: pl.LazyFrame, fresh: pl.DataFrame, sensor_type: str, type_days: Sequence[date]) -> pl.DataFrame:
    """The staged rows with a sensor, metric and event time of `fresh`."""
    times = fresh.get_column("event_time")
    if not fresh.height:
        return READINGS.to_frame()
    near = there.filter(
        pl.col("sensor_type") == sensor_type,
        pl.col("day").is_in(type_days),
        pl.col("event_time") >= times.min(),
        pl.col("event_time") <= times.max(),
    )
    identities = fresh.lazy().select(IDENTITY).unique()
    # The identities alone first: that any is there already is the exception, and they are a fraction of the bytes.
    met = near.select(IDENTITY).join(identities, on=IDENTITY, how="semi").collect()
    if not met.height:
        return READINGS.to_frame()
    times = met.get_column("event_time")
    return (
        near.filter(pl.col("event_time") >= times.min(), pl.col("event_time") <= times.max())
        .select(READINGS.names())
        .join(met.lazy(), on=IDENTITY, how="semi")
        .collect()
    )


def _raw_of_days(lake: Lake, sensor_type: str, type_days: Sequence[date]) -> pl.LazyFrame:
    first, end = (datetime.combine(day, time(), UTC) for day in (type_days[0], type_days[-1] + timedelta(days=1)))
    return lake.scan("raw_readings").filter(
        pl.col("sensor_type") == sensor_type,
        # By these, unlike by the day, whole files are skipped.
        pl.col("event_time") >= first,
        pl.col("event_time") < end,
        pl.col("event_time").dt.date().is_in(type_days),
    )


def _results(counts: pl.DataFrame, sensor_type: str, work: _Work) -> list[Staged]:
    def by_day(rows: pl.DataFrame) -> dict[date, int]:
        days = rows.group_by(pl.col("event_time").dt.date()).len()
        return dict(days.iter_rows())

    read, written, changed = map(by_day, (work.read, work.change.rows, work.changed))
    return [
        Staged(
            Key(sensor_type, row["day"]),
            raw=row["raw"],
            staged=row["staged"],
            duplicates=row["duplicates"],
            revisions=row["revisions"],
            sensors=row["sensors"],
            rows_read=read.get(row["day"], 0),
            rows_added=written.get(row["day"], 0) - changed.get(row["day"], 0),
            rows_changed=changed.get(row["day"], 0),
            rebuilt=work.change.how is How.REPLACE,
        )
        for row in counts.iter_rows(named=True)
    ]
