"""How long a spike takes from the upload's acknowledgement until the API lists its episode, while a drain lives."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl

from bench import drains
from bench.api_server import client_of, serving, spread
from bench.measure import busy, machine
from infra.local import ports
from sensors_io.arrow_codec import encode
from sensors_io.reading import ARROW, READING
from tests.servers import fetch_programs, start_servers
from warehouse.accounts import seed_demo

SENSORS = 200
# Long enough ago for the detector to judge: a day, and a hundred readings.
PAST = timedelta(hours=30)
EVERY_S = 300
SPIKES = 150
SPIKE_EVERY_S = 0.4
LOOK_EVERY_S = 0.02
GIVE_UP_S = 30.0


def main() -> int:
    """Start servers of our own, upload the past, then spikes among usual readings; print, and end them."""
    fetch_programs()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = start_servers(Path(folder))
        try:
            settings = servers.new_settings(api_port=ports.free(1)[0], linger_s=GIVE_UP_S)
            seed_demo(settings.database_url)
            print(f"{machine()}; other programs keep {busy():.0%} of the processors busy")
            with (
                serving(settings, Path(folder) / "api.log"),
                client_of(settings, "gateway", {"content-type": ARROW}) as device,
                client_of(settings, "vera", {}) as viewer,
                drains.child("bench.one_drain", settings, 0, 1) as drain,
            ):
                drains.wait_ready(drain)
                drains.begin(drain)
                taken, seen = _spikes(device, viewer)
                drain.terminate()
                drains.finished(drain)
        finally:
            servers.stop()
    waited_ms = [(seen[sensor] - at) * 1000 for sensor, at in taken.items() if sensor in seen]
    print(f"{len(waited_ms)} of {len(taken)} spikes listed; from acknowledged to listed {spread(waited_ms)}")
    return 0 if len(waited_ms) > 0.9 * len(taken) else 1


def _spikes(device: httpx.Client, viewer: httpx.Client) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """By sensor, when its spike was acknowledged, and when its episode was listed."""
    dice = np.random.default_rng(1)
    now = datetime.now(UTC).replace(microsecond=0)
    times = pl.datetime_range(now - PAST, now, timedelta(seconds=EVERY_S), time_zone="UTC", time_unit="us", eager=True)
    for sensor in range(SENSORS):
        values = 20 + dice.normal(0, 0.5, len(times))
        _upload(device, _readings([_name(sensor)] * len(times), times, values))
    _settle(viewer)
    taken: dict[str, float] = {}
    seen: dict[str, float] = {}
    began = time.monotonic()
    while (len(seen) < len(taken) or len(taken) < SPIKES) and time.monotonic() - began < SPIKES + GIVE_UP_S:
        if len(taken) < SPIKES and time.monotonic() - began >= len(taken) * SPIKE_EVERY_S:
            usual = 20 + dice.normal(0, 0.5, SENSORS)
            usual[len(taken)] = 60
            at = pl.Series([datetime.now(UTC)] * SENSORS, dtype=pl.Datetime("us", "UTC"))
            _upload(device, _readings([_name(one) for one in range(SENSORS)], at, usual))
            taken[_name(len(taken))] = time.monotonic()
        for item in _listed(viewer, since=now):
            # Only those that were sent: others may be false alarms.
            if item["sensor_id"] in taken and item["peak_value"] == 60:
                seen.setdefault(item["sensor_id"], time.monotonic())
        time.sleep(LOOK_EVERY_S)
    return taken, seen


def _settle(viewer: httpx.Client) -> None:
    """Wait until the past is stored."""
    deadline = time.monotonic() + GIVE_UP_S
    last = _name(SENSORS - 1)
    while not viewer.get("/sensors/data", params={"sensor_id": last, "limit": 1}).raise_for_status().json()["items"]:
        assert time.monotonic() < deadline, "the past was not drained"
        time.sleep(0.1)


def _listed(viewer: httpx.Client, *, since: datetime) -> list[dict[str, Any]]:
    answer = viewer.get("/sensors/anomalies", params={"start": since.isoformat(), "limit": 1000})
    items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return items


def _readings(names: list[str], times: pl.Series, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> pl.DataFrame:
    told = {"sensor_id": names, "event_time": times, "value": values}
    constants = {"sensor_type": "temperature", "metric": "temperature", "unit": "C"}
    return pl.DataFrame(told).select(
        (pl.col(name) if name in told else pl.lit(constants.get(name)).alias(name)).cast(kind)
        for name, kind in READING.items()
    )


def _upload(device: httpx.Client, readings: pl.DataFrame) -> None:
    device.post("/sensors/data", content=encode(readings)).raise_for_status()


def _name(sensor: int) -> str:
    return f"probe-{sensor:04}"


if __name__ == "__main__":
    sys.exit(main())
