"""Clocks that are wrong, or go backwards, change what is said of times and nothing of what is kept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from sensorhouse.settings import Settings
from sensors_io.kafka import admin
from tests.faults.clocks import set_clock, with_clock
from tests.faults.trial import in_a_folder, trial
from tests.waiting import wait_until

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("offset", "told"),
    [
        ("-10m", "10 minutes"),
        pytest.param("-3d", "3 days", marks=pytest.mark.long),
        pytest.param("+2d", "2 days ahead", marks=pytest.mark.long),
    ],
)
def test_a_drain_whose_clock_is_moved_while_data_flows_keeps_everything_once(
    small: Settings, tmp_path: Path, offset: str, told: str
) -> None:
    clock = tmp_path / "clock"
    set_clock(clock, "+0")
    # A folder: S3 refuses whoever is more than a quarter of an hour off, however well they are.
    settings = in_a_folder(small, tmp_path / "lake") if "d" in offset else small
    where = f"the drain's, by {told}"
    with trial(settings, tmp_path, "clock set while data flows", where, environment=with_clock(clock)) as world:
        world.wait_for_flow()
        set_clock(clock, offset)
        wait_until(lambda: abs(world.drains.clock - time.time()) > 300, "the drains' clock is off")
        world.wait_for_flow()
        # Right again before another drain starts: Kafka's client and libfaketime disagree about when its waits end, so
        # that one that starts under a clock that is behind hardly moves.
        set_clock(clock, "+0")
        world.drains.kill()
        world.wait_for_flow()


@pytest.mark.long
def test_a_clock_that_s3_refuses_stops_the_drain_until_it_is_right_again(small: Settings, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    set_clock(clock, "+0")
    with trial(
        small, tmp_path, "clock refused by S3", "the drain's, by 3 days", environment=with_clock(clock)
    ) as world:
        world.wait_for_flow()
        set_clock(clock, "-3d")
        wait_until(lambda: any(one.outcome.startswith("down") for one in list(world.drains.all)), "a drain is refused")
        set_clock(clock, "+0")
        world.wait_for_flow()


def test_timestamps_that_go_backwards_in_the_log_lose_and_double_nothing(small: Settings, tmp_path: Path) -> None:
    stamp_by_producer(small)
    now_ms = int(time.time() * 1000)
    with trial(
        small,
        tmp_path,
        "timestamps in the log go backwards",
        "set by the producer, over two days",
        # An hour back with each 20th message: slices in which one day comes before the one before it.
        timestamp_ms=lambda number: now_ms - (number // 20 % 48) * HOUR_MS,
    ) as world:
        for _ in range(3):
            world.wait_for_flow(300)
            world.drains.kill()


def stamp_by_producer(settings: Settings) -> None:
    """Let the topic keep the time that the producer says."""
    entry = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, settings.readings_topic, incremental_configs=[entry])
    client = admin(settings)
    for changed in client.incremental_alter_configs([resource]).values():
        changed.result()
