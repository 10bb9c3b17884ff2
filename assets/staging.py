"""Staged readings from raw ones: one per sensor, metric and event time; the newest position wins."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from sensors_io.reading import READING

IDENTITY = ("sensor_id", "metric", "event_time")
_CONTENT = ("value", "unit", "quality", "station", "attributes", "sensor_type")
_POSITION = ("ingested_at", "partition", "offset", "index")

READINGS = pl.Schema(
    {
        **READING,
        "topic_id": pl.String(),
        "partition": pl.Int32(),
        "offset": pl.Int64(),
        "index": pl.Int32(),
        "ingested_at": pl.Datetime("us", "UTC"),
        "revisions": pl.Int32(),
        "duplicates": pl.Int32(),
        "day": pl.Date(),
    }
)


def stage(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per (sensor_id, metric, event_time), with READINGS' columns.

    `rows` has READING's columns and the position's. A row whose content equals the one before it, by position, is
    counted in `duplicates`; one that differs replaces it and is counted in `revisions`. Rows that were staged before
    bring their counts along: staging in parts, each after the one before, comes to the same as staging all at once.
    """
    if "duplicates" not in rows.columns:
        rows = as_staged(rows)
    content = pl.struct(_CONTENT)
    ordered = rows.sort(*IDENTITY, *_POSITION)
    changed = content.ne_missing(content.shift()) & pl.struct(IDENTITY).eq(pl.struct(IDENTITY).shift())
    return (
        ordered.with_columns(changed=changed.fill_null(False))
        .group_by(IDENTITY, maintain_order=True)
        .agg(
            pl.exclude("changed", "duplicates", "revisions").last(),
            revisions=(pl.col("changed").sum() + pl.col("revisions").sum()).cast(pl.Int32),
            rows=(pl.col("duplicates") + pl.col("revisions") + 1).sum().cast(pl.Int32),
        )
        .with_columns(duplicates=pl.col("rows") - 1 - pl.col("revisions"))
        .select(READINGS.names())
    )


def as_staged(raw: pl.DataFrame) -> pl.DataFrame:
    """Raw rows with READINGS' columns, as if each were the only one of its sensor, metric and time."""
    none = pl.lit(0, dtype=pl.Int32)
    counted = raw.with_columns(revisions=none, duplicates=none, day=pl.col("event_time").dt.date())
    return counted.select(READINGS.names())


def increment(fresh: pl.DataFrame, there: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """What raw rows add to staged ones: rows that are new, and rows that take the place of older ones.

    `there` are the staged rows that share a sensor, metric and event time with `fresh`. A raw row whose position its
    staged row has passed is in it already and adds nothing. None where the two positions can't be told apart: the
    rows come from different partitions, or the broker's clock went back. Then only all raw rows together say it.
    """
    where = ("topic_id", "partition", "offset", "index", "ingested_at")
    met = fresh.join(there.select(*IDENTITY, *where), on=IDENTITY, how="left", suffix="_there", maintain_order="left")
    apart = pl.col("offset_there").is_not_null()
    same_log = (pl.col("topic_id") == pl.col("topic_id_there")) & (pl.col("partition") == pl.col("partition_there"))
    passed = (pl.col("offset") < pl.col("offset_there")) | (
        (pl.col("offset") == pl.col("offset_there")) & (pl.col("index") <= pl.col("index_there"))
    )
    unsure = apart & ~(same_log & (passed | (pl.col("ingested_at") >= pl.col("ingested_at_there")))).fill_null(False)
    if met.select(unsure.any()).item():
        return None
    added = met.filter(~(apart & passed)).select(fresh.columns)
    older = there.join(added, on=IDENTITY, how="semi")
    rows = stage(pl.concat([older.select(READINGS.names()), as_staged(added)]))
    return rows.join(older, on=IDENTITY, how="anti"), rows.join(older, on=IDENTITY, how="semi")


def counted(rows: pl.LazyFrame, sensor_type: str, type_days: Sequence[date]) -> pl.DataFrame:
    """One row per day: day, sensor_type, raw, staged, duplicates, revisions, sensors; zeros where nothing is."""
    found = (
        rows.filter(pl.col("sensor_type") == sensor_type, pl.col("day").is_in(type_days))
        .group_by("day")
        .agg(
            staged=pl.len().cast(pl.Int64),
            duplicates=pl.col("duplicates").sum().cast(pl.Int64),
            revisions=pl.col("revisions").sum().cast(pl.Int64),
            sensors=pl.col("sensor_id").n_unique().cast(pl.Int64),
        )
        .collect()
    )
    return (
        pl.DataFrame({"day": type_days}, schema={"day": pl.Date})
        .join(found, on="day", how="left")
        .fill_null(0)
        .select(
            "day",
            pl.lit(sensor_type).alias("sensor_type"),
            (pl.col("staged") + pl.col("duplicates") + pl.col("revisions")).alias("raw"),
            *("staged", "duplicates", "revisions", "sensors"),
        )
    )


def days_of_type(sensor_type: str, type_days: Sequence[date], *, of: str = "") -> str:
    """An SQL predicate for partitions of the staged tables; `of` goes before each column."""
    quoted = sensor_type.replace("'", "''")
    listed = ", ".join(f"'{day.isoformat()}'" for day in type_days)
    return f"{of}sensor_type = '{quoted}' and {of}day in ({listed})"
