"""The real sensor recordings in examples/, as readings of our own sensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import polars as pl

from sensors_io.reading import READING

FOLDER = Path(__file__).parent.parent / "examples"


@dataclass(frozen=True)
class Recorded:
    """What a recording is in our domain."""

    sensor_id: str
    sensor_type: str
    metric: str
    unit: str
    station: str


@dataclass(frozen=True)
class Window:
    """A stretch that people labelled as abnormal, both ends included."""

    start: datetime
    end: datetime


RECORDINGS = {
    "machine_temperature_system_failure": Recorded("TMP-100-0001", "temperature", "temperature", "F", "machine"),
    "ambient_temperature_system_failure": Recorded("TMP-200-0001", "temperature", "temperature", "F", "office"),
    "occupancy_6005": Recorded("OCC-100-0001", "occupancy", "occupancy", "%", "road-6005"),
    "speed_7578": Recorded("SPD-100-0001", "speed", "speed", "mph", "road-7578"),
}


def load(name: str) -> pl.DataFrame:
    """One recording, in the order it was recorded in; the columns are those of READING."""
    recorded = RECORDINGS[name]
    rows = pl.read_csv(
        FOLDER / f"{name}.csv",
        schema={"timestamp": pl.Datetime("us"), "value": pl.Float64()},
    )
    return rows.select(
        pl.lit(recorded.sensor_id).alias("sensor_id"),
        pl.lit(recorded.sensor_type).alias("sensor_type"),
        pl.lit(recorded.metric).alias("metric"),
        pl.col("timestamp").dt.replace_time_zone("UTC").alias("event_time"),
        "value",
        pl.lit(recorded.unit).alias("unit"),
        pl.lit(None, pl.Int16).alias("quality"),
        pl.lit(recorded.station).alias("station"),
        pl.lit(None, pl.String).alias("attributes"),
    ).match_to_schema(READING)


def windows(name: str) -> list[Window]:
    """The labelled windows of one recording, oldest first."""
    labels: dict[str, list[list[str]]] = json.loads((FOLDER / "windows.json").read_text())
    return [Window(_utc(start), _utc(end)) for start, end in labels[name]]


def shifted_to_end_at(readings: pl.DataFrame, end: datetime) -> pl.DataFrame:
    """The same readings, moved in time so that the last is at `end`."""
    return readings.with_columns(pl.col("event_time") + (end - _last(readings)))


def windows_shifted_to_end_at(labelled: list[Window], readings: pl.DataFrame, end: datetime) -> list[Window]:
    """The windows, moved as `shifted_to_end_at` moves the (unmoved) readings that they label."""
    by = end - _last(readings)
    return [Window(window.start + by, window.end + by) for window in labelled]


def _last(readings: pl.DataFrame) -> datetime:
    if readings.is_empty():
        raise ValueError("no readings to move")
    return cast("datetime", readings["event_time"].max())


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
