"""How fast a year of readings is judged in depth: all its keys at once, as a backfill does, and again unchanged."""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from assets.judging import Judged, judge_keys
from assets.partition_keys import Key
from assets.staging import READINGS
from bench.measure import busy, machine, peak_rss_mib
from sensors_io.lake import Lake, open_lake
from tests.servers import fetch_programs, start_servers

SENSORS = 50
EVERY_S = 300
FIRST = date(2025, 1, 1)
DAYS = 365
# A spike each day and a half.
SPIKES = 240


def main() -> int:
    """Start servers of our own, fill the lake's staged readings, judge them, print, and end the servers."""
    fetch_programs()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = start_servers(Path(folder))
        try:
            settings = servers.new_settings()
            lake = open_lake(settings)
            readings = _fill(lake)
            keys = [Key("temperature", FIRST + timedelta(days=ago)) for ago in range(DAYS)]
            print(f"{machine()}; other programs keep {busy():.0%} of the processors busy")
            for what in ("a year, judged", "the same, unchanged"):
                began, cpu_s = time.perf_counter(), time.process_time()
                found = list(judge_keys(settings, lake, keys))
                took, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
                print(f"{what}: {readings:,} readings in {took:.1f} s, {cpu_s:.1f} CPU-s; {_told(found)}")
            print(f"at most {peak_rss_mib():.0f} MiB")
        finally:
            servers.stop()
    return 0


def _told(found: list[Judged]) -> str:
    examined, calibrated = (sum(getattr(one, name) for one in found) for name in ("examined", "calibrated"))
    episodes = sum(one.episodes.height for one in found)
    return f"{examined:,} sensor-days examined, {calibrated:,} judged, {episodes:,} episodes"


def _fill(lake: Lake) -> int:
    """Write a day's rhythm with noise and some spikes, a file a day, as staging would; returns how many readings."""
    lake.create("readings", READINGS, partition_by=["day", "sensor_type"])
    dice = np.random.default_rng(1)
    begin = datetime.combine(FIRST, datetime.min.time(), UTC)
    spiked = set(zip(dice.integers(0, DAYS, SPIKES).tolist(), dice.integers(0, SENSORS, SPIKES).tolist(), strict=True))
    per_day = 86_400 // EVERY_S
    rhythm = 20 + 3 * np.sin(2 * np.pi * np.arange(per_day) / per_day)
    for at in range(0, DAYS, 31):
        frames = []
        for day in range(at, min(at + 31, DAYS)):
            values = rhythm + dice.normal(0, 0.3, (SENSORS, per_day))
            for sensor in range(SENSORS):
                if (day, sensor) in spiked:
                    values[sensor, dice.integers(per_day)] += 15
            times = pl.datetime_range(
                begin + timedelta(days=day),
                begin + timedelta(days=day, seconds=86_400 - EVERY_S),
                timedelta(seconds=EVERY_S),
                time_unit="us",
                eager=True,
            )
            frames.append(_day(times, values))
        first, last = FIRST + timedelta(days=at), FIRST + timedelta(days=at + len(frames) - 1)
        lake.replace("readings", pl.concat(frames), where=f"day between '{first}' and '{last}'")
    return SENSORS * per_day * DAYS


def _day(times: pl.Series, values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> pl.DataFrame:
    sensors = np.repeat([f"probe-{sensor:03}" for sensor in range(SENSORS)], len(times))
    told = {"sensor_id": sensors, "event_time": pl.concat([times] * SENSORS), "value": values.ravel()}
    constants = {"sensor_type": "temperature", "metric": "temperature", "unit": "C", "revisions": 0, "duplicates": 0}
    frame = pl.DataFrame(told).with_columns(day=pl.col("event_time").dt.date())
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(constants.get(name)).alias(name)).cast(kind)
        for name, kind in READINGS.items()
    )


if __name__ == "__main__":
    sys.exit(main())
