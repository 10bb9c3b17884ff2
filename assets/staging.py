"""Staged readings from raw ones: one per sensor, metric and event time; the newest position wins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from assets.partition_keys import Key, commits
from sensorhouse.settings import Settings
from sensors_io.lake import Lake
from sensors_io.reading import READING
from warehouse import locks, staged
from warehouse.database import connect
from warehouse.locks import Lock

IDENTITY = ("sensor_id", "metric", "event_time")
_CONTENT = ("value", "unit", "quality", "station", "attributes", "sensor_type")
_POSITION = ("ingested_at", "partition", "offset", "index")

READINGS = pl.Schema(
    {
        **READING,
        "partition": pl.Int32(),
        "offset": pl.Int64(),
        "index": pl.Int32(),
        "ingested_at": pl.Datetime("us", "UTC"),
        "revisions": pl.UInt32(),
        "duplicates": pl.UInt32(),
        "day": pl.Date(),
    }
)


@dataclass(frozen=True)
class Staged:
    """What staging made of one partition key: raw = staged + duplicates + revisions."""

    key: Key
    raw: int
    staged: int
    duplicates: int
    revisions: int
    sensors: int


def stage(raw: pl.DataFrame) -> pl.DataFrame:
    """One row per (sensor_id, metric, event_time), with READINGS' columns.

    `raw` has READING's columns and the position's. A row whose content equals the one before it, by position, is
    counted in `duplicates`; one that differs replaces it and is counted in `revisions`.
    """
    content = pl.struct(_CONTENT)
    ordered = raw.sort(*IDENTITY, *_POSITION)
    changed = content.ne_missing(content.shift()) & pl.struct(IDENTITY).eq(pl.struct(IDENTITY).shift())
    return (
        ordered.with_columns(changed=changed.fill_null(False))
        .group_by(IDENTITY, maintain_order=True)
        .agg(
            pl.exclude("changed").last(),
            revisions=pl.col("changed").sum().cast(pl.UInt32),
            rows=pl.len().cast(pl.UInt32),
        )
        .with_columns(duplicates=pl.col("rows") - 1 - pl.col("revisions"), day=pl.col("event_time").dt.date())
        .select(READINGS.names())
    )


def stage_keys(settings: Settings, lake: Lake, keys: Sequence[Key]) -> Iterator[Staged]:
    """Rebuild the staged readings of these partition keys from the raw ones; the same again leaves the same rows."""
    lake.create("readings", READINGS, partition_by=["day", "sensor_type"])
    for sensor_type, type_days in commits(keys):
        yield from _stage_days(settings, lake, sensor_type, type_days)


def _stage_days(settings: Settings, lake: Lake, sensor_type: str, type_days: Sequence[date]) -> list[Staged]:
    # From reading to writing nobody else may stage this type, or an older look would overwrite a newer one.
    with connect(settings.database_url) as connection:
        locks.wait_for(connection, Lock.STAGING, sensor_type)
        raw = (
            lake.scan("raw_readings")
            .filter(
                pl.col("sensor_type") == sensor_type,
                pl.col("event_time").dt.date().is_between(type_days[0], type_days[-1]),
                pl.col("event_time").dt.date().is_in(type_days),
            )
            .collect()
        )
        rows = stage(raw)
        lake.replace("readings", rows, where=days_of_type(sensor_type, type_days))
        counts = _counts(rows, sensor_type, type_days)
        staged.remember(connection, counts.drop("sensors"))
    return [
        Staged(
            Key(sensor_type, row["day"]), row["raw"], row["staged"], row["duplicates"], row["revisions"], row["sensors"]
        )
        for row in counts.iter_rows(named=True)
    ]


def _counts(rows: pl.DataFrame, sensor_type: str, type_days: Sequence[date]) -> pl.DataFrame:
    """One row per day: day, sensor_type, raw, staged, duplicates, revisions, sensors; zeros where nothing is."""
    counted = rows.group_by("day").agg(
        staged=pl.len().cast(pl.Int64),
        duplicates=pl.col("duplicates").sum().cast(pl.Int64),
        revisions=pl.col("revisions").sum().cast(pl.Int64),
        sensors=pl.col("sensor_id").n_unique().cast(pl.Int64),
    )
    return (
        pl.DataFrame({"day": type_days}, schema={"day": pl.Date})
        .join(counted, on="day", how="left")
        .fill_null(0)
        .select(
            "day",
            pl.lit(sensor_type).alias("sensor_type"),
            (pl.col("staged") + pl.col("duplicates") + pl.col("revisions")).alias("raw"),
            *("staged", "duplicates", "revisions", "sensors"),
        )
    )


def days_of_type(sensor_type: str, type_days: Sequence[date]) -> str:
    """An SQL predicate for partitions of the staged tables."""
    quoted = sensor_type.replace("'", "''")
    listed = ", ".join(f"'{day.isoformat()}'" for day in type_days)
    return f"sensor_type = '{quoted}' and day in ({listed})"
