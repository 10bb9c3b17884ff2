"""Readings of a factory for the benchmark: sensors that report at an even pace, made column by column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from sensors_io.reading import READING

SENSORS = 2_000
# The most readings made at a time.
BLOCK = 1_000_000
# What a sink has to give back of a reading; the other columns are null.
COLUMNS = ("sensor_id", "sensor_type", "metric", "event_time", "value", "unit", "quality")


@dataclass(frozen=True)
class Kind:
    """A sensor type of the catalogue, and how its readings move: from `start`, by at most `step` a second."""

    sensor_type: str
    prefix: str
    unit: str
    start: float
    step: float


KINDS = (
    Kind("temperature", "TMP", "F", 72.0, 0.08),
    Kind("pressure", "PRS", "bar", 11.0, 0.03),
    Kind("humidity", "HUM", "%", 45.0, 0.06),
    Kind("vibration", "VIB", "mm/s", 8.0, 0.05),
)


class Factory:
    """Sensors whose values walk at random; each call goes on where the one before ended."""

    def __init__(self, *, start: datetime, sensors: int = SENSORS, every_s: int = 1, seed: int = 1) -> None:
        self._at, self._every_s, self._seed, self._made = start.astimezone(UTC), every_s, seed, 0
        kinds = [KINDS[sensor % len(KINDS)] for sensor in range(sensors)]
        self._sensors = pl.DataFrame(
            {
                "sensor_id": [f"{kind.prefix}-{sensor:06d}" for sensor, kind in enumerate(kinds)],
                "sensor_type": [kind.sensor_type for kind in kinds],
                "metric": [kind.sensor_type for kind in kinds],
                "unit": [kind.unit for kind in kinds],
                "level": [kind.start for kind in kinds],
                "step": [kind.step for kind in kinds],
                # No two sensors report in the same moment.
                "phase_us": [sensor * 1_000_000 // sensors for sensor in range(sensors)],
            }
        )

    def rounds(self, count: int) -> pl.DataFrame:
        """`count` readings of each sensor, `every_s` apart, in order of time, with the columns of READING."""
        sensors = self._sensors.height
        dice = pl.int_range(self._made, self._made + count * sensors, eager=True)
        frame = pl.DataFrame({"row": pl.int_range(count * sensors, eager=True)}).with_columns(
            sensor=pl.col("row") % sensors,
            second=pl.col("row") // sensors * self._every_s,
            move=_uniform(dice, self._seed) * 2 - 1,
            jitter_us=_uniform(dice, self._seed + 1) * 400,
            quality=_uniform(dice, self._seed + 2) < 0.01,
        )
        frame = frame.hstack(self._sensors[frame["sensor"]]).with_columns(
            walk=pl.col("level") + (pl.col("move") * pl.col("step")).cum_sum().over("sensor"),
            age=pl.duration(seconds="second", microseconds=pl.col("phase_us") + pl.col("jitter_us").cast(pl.Int64)),
        )
        self._sensors = self._sensors.with_columns(level=frame["walk"].tail(sensors))
        start, self._at, self._made = (
            self._at,
            self._at + timedelta(seconds=count * self._every_s),
            self._made + count * sensors,
        )
        return frame.select(
            "sensor_id",
            "sensor_type",
            "metric",
            event_time=pl.lit(start) + pl.col("age"),
            value=pl.col("walk").round(3),
            unit="unit",
            quality="quality",
            station=None,
            attributes=None,
        ).cast(READING)

    def readings(self, count: int) -> Iterator[pl.DataFrame]:
        """`count` readings, block by block."""
        while count > 0:
            block = self.rounds(-(-min(count, BLOCK) // self._sensors.height)).head(count)
            count -= block.height
            yield block


def ending_now(count: int, *, sensors: int = SENSORS, every_s: int = 1, seed: int = 1) -> Factory:
    """A factory whose next `count` readings end about now."""
    start = datetime.now(UTC) - timedelta(seconds=count * every_s / sensors)
    return Factory(start=start, sensors=sensors, every_s=every_s, seed=seed)


def checksum(readings: pl.DataFrame) -> int:
    """The same for the same readings in any order; another number when one is missing, twice or altered."""
    hashes = readings.select(pl.struct(COLUMNS).hash(seed=7)).to_series()
    # Summed in halves, so that nothing overflows.
    return (int((hashes // (1 << 32)).sum()) << 32) + int((hashes % (1 << 32)).sum())


def _uniform(numbers: pl.Series, seed: int) -> pl.Series:
    """A number from 0 to 1 for each, the same for the same seed."""
    return (numbers.hash(seed) % (1 << 24)) / (1 << 24)
