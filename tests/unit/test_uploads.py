"""Uploads as messages."""

from __future__ import annotations

import random

import polars as pl
import pytest

from sensors_io import codecs
from sensors_io.reading import ARROW, READING
from sensors_io.uploads import LARGEST_MESSAGE, UploadMessage, partition_of, split
from tests.readings import NOON


def frame(sensors: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "sensor_id": sensors,
            "sensor_type": "temperature",
            "metric": "temperature",
            "event_time": NOON,
            "value": [float(i) for i in range(len(sensors))],
            "unit": "C",
            "quality": None,
            "station": None,
            "attributes": None,
        },
        schema=READING,
    )


def decoded(messages: list[UploadMessage]) -> pl.DataFrame:
    return codecs.decode([message.value for message in messages], [ARROW] * len(messages)).readings


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_a_sensor_lives_where_kafkas_own_partitioner_puts_its_key(key: str, hashed: int) -> None:
    assert partition_of(key, 2**31) == hashed & 0x7FFFFFFF


def test_every_sensor_is_in_one_partition_and_its_readings_stay_in_order() -> None:
    messages = split(frame([f"probe-{i % 50}" for i in range(5000)]), 4)
    for message in messages:
        sensors = codecs.decode([message.value], [ARROW]).readings["sensor_id"].unique()
        assert {partition_of(sensor, 4) for sensor in sensors} == {message.partition}
        assert partition_of(message.key.decode(), 4) == message.partition
    values = decoded(messages).group_by("sensor_id").agg("value")["value"]
    assert all(list(of_one) == sorted(of_one) for of_one in values)
    assert sum(message.count for message in messages) == 5000


def test_no_message_is_larger_than_allowed_and_nothing_is_lost() -> None:
    noise = random.Random(1)
    notes = pl.Series("attributes", [f'{{"note":"{noise.randbytes(500).hex()}"}}' for _ in range(2000)])
    rows = frame(["probe-1"] * 2000).with_columns(notes)
    messages = split(rows, 4)
    assert len(messages) > 1
    assert max(len(message.value) for message in messages) <= LARGEST_MESSAGE
    assert decoded(messages)["value"].to_list() == rows["value"].to_list()
