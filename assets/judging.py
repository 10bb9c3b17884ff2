"""Anomalies of partition keys: staged readings held against their sensors' past, into lake and warehouse."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from assets.detectors.robust_z import robust_z
from assets.partition_keys import Key, by_type, commits
from assets.staging import days_of_type
from sensorhouse.settings import Settings
from sensors_io.lake import Lake
from warehouse import locks, staged
from warehouse.database import connect
from warehouse.locks import Lock

ANOMALIES = pl.Schema(
    {
        "sensor_id": pl.String(),
        "sensor_type": pl.String(),
        "metric": pl.String(),
        "event_time": pl.Datetime("us", "UTC"),
        "day": pl.Date(),
        "value": pl.Float64(),
        "unit": pl.String(),
        "score": pl.Float64(),
        "median": pl.Float64(),
        "sigma": pl.Float64(),
        "detector": pl.String(),
    }
)
DETECTOR = "robust_z"
# The past that a day is held against.
PAST = timedelta(days=14)
# In sigmas. Industrial series have heavy tails: at 3.5, the textbook's, one reading in fifty would stand out.
THRESHOLD = 6.0


@dataclass(frozen=True)
class Judged:
    """What was found in one partition key; `judged` readings had a past to be held against."""

    key: Key
    readings: int
    judged: int
    anomalies: int
    highest_score: float | None


def followers(settings: Settings, keys: Iterable[Key]) -> list[Key]:
    """These keys and the later ones that have them in their past: what to judge anew when the readings changed."""
    found: set[Key] = set()
    with connect(settings.database_url) as connection:
        for sensor_type, type_days in by_type(keys).items():
            for day in type_days:
                later = staged.keys_after(connection, sensor_type, day, days=PAST.days)
                found.update(Key(sensor_type, one) for one in (day, *later))
    return sorted(found)


def judge_keys(settings: Settings, lake: Lake, keys: Sequence[Key]) -> Iterator[Judged]:
    """Find the anomalies of these partition keys anew and replace what was found before."""
    lake.create("anomalies", ANOMALIES, partition_by=["day", "sensor_type"])
    for sensor_type, type_days in commits(keys):
        yield from _judge_days(settings, lake, sensor_type, type_days)


def _judge_days(settings: Settings, lake: Lake, sensor_type: str, type_days: Sequence[date]) -> list[Judged]:
    with connect(settings.database_url) as connection:
        locks.wait_for(connection, Lock.STAGING, sensor_type)
        staged_rows = (
            lake.scan("readings")
            .filter(
                pl.col("sensor_type") == sensor_type,
                pl.col("day").is_between(type_days[0] - PAST, type_days[-1]),
            )
            .select("sensor_id", "sensor_type", "metric", "event_time", "day", "value", "unit")
            .collect()
        )
        scored = pl.concat(score_day(staged_rows, day) for day in type_days)
        found = anomalous(scored)
        lake.replace("anomalies", found, where=days_of_type(sensor_type, type_days))
        staged.replace_anomalies(connection, found, sensor_type=sensor_type, days=type_days)
    return [_summary(scored.filter(pl.col("day") == day), Key(sensor_type, day)) for day in type_days]


def score_day(readings: pl.DataFrame, day: date) -> pl.DataFrame:
    """The day's readings with `median`, `sigma` and `score` against the `PAST` before that day."""
    past = readings.filter(pl.col("day").is_between(day - PAST, day, closed="left"))
    return robust_z(readings.filter(pl.col("day") == day), past)


def anomalous(scored: pl.DataFrame) -> pl.DataFrame:
    """Those that stand out, with ANOMALIES' columns."""
    return (
        scored.filter(pl.col("score").abs() >= THRESHOLD)
        .with_columns(detector=pl.lit(DETECTOR))
        .select(pl.col(name).cast(kind) for name, kind in ANOMALIES.items())
    )


def _summary(scored: pl.DataFrame, key: Key) -> Judged:
    scores = scored.get_column("score")
    highest = scores.abs().max()
    return Judged(
        key=key,
        readings=scored.height,
        judged=len(scores) - scores.null_count(),
        anomalies=int((scores.abs() >= THRESHOLD).sum()),
        highest_score=None if highest is None else float(highest),  # type: ignore[arg-type]
    )
