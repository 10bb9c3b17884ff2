"""What the benchmark makes and computes, without servers."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from bench.data import Factory, checksum
from bench.freshness import percentile
from bench.topics import Encoding, messages
from sensors_io import codecs, reading
from sensors_io.uploads import partition_of

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONTENT_TYPES = {Encoding.JSON: reading.JSON, Encoding.NDJSON: reading.NDJSON, Encoding.ARROW: reading.ARROW}


def test_every_encoding_carries_the_same_readings() -> None:
    made = Factory(start=START, sensors=40).rounds(30)
    for encoding in Encoding:
        values = [value for _, _, value in messages(made, encoding, 4)]
        decoded = codecs.decode(values, [CONTENT_TYPES[encoding]] * len(values))
        assert decoded.rejected.height == 0
        assert checksum(decoded.readings) == checksum(made)


def test_a_sensor_lives_in_one_partition_in_every_encoding() -> None:
    made = Factory(start=START, sensors=40).rounds(5)
    for encoding in Encoding:
        for partition, _, value in messages(made, encoding, 4):
            found = codecs.decode([value], [CONTENT_TYPES[encoding]]).readings
            assert {partition_of(sensor, 4) for sensor in found["sensor_id"]} == {partition}


def test_a_factory_goes_on_where_it_ended() -> None:
    whole = Factory(start=START, sensors=10).rounds(20)
    factory = Factory(start=START, sensors=10)
    halves = pl.concat([factory.rounds(10), factory.rounds(10)])
    assert halves.select(pl.exclude("value")).equals(whole.select(pl.exclude("value")))
    assert (halves["value"] - whole["value"]).abs().max() < 0.0011


def test_no_two_readings_of_a_sensor_have_the_same_time() -> None:
    made = pl.concat(Factory(start=START, sensors=7).readings(1_000))
    assert made.height == 1_000
    assert made.select("sensor_id", "event_time").is_unique().all()


def test_the_checksum_sees_a_row_that_is_missing_twice_or_altered() -> None:
    made = Factory(start=START, sensors=10).rounds(10)
    assert checksum(made.sample(fraction=1.0, shuffle=True)) == checksum(made)
    altered = made.with_columns(pl.when(pl.int_range(pl.len()) == 3).then(0.5).otherwise("value").alias("value"))
    for wrong in (made.tail(-1), pl.concat([made, made.head(1)]), pl.concat([made.tail(-1), made.tail(1)]), altered):
        assert checksum(wrong) != checksum(made)


def test_a_percentile_is_weighted_by_readings() -> None:
    assert percentile([3.0, 1.0, 2.0], [1, 98, 1], 0.5) == 1.0
    assert percentile([3.0, 1.0, 2.0], [1, 98, 1], 0.99) == 2.0
    assert percentile([3.0, 1.0, 2.0], [2, 97, 1], 0.99) == 3.0
