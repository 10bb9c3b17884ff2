"""Duplicates, revisions and late readings, decided by position."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.staging import days_of_type, stage
from sensors_io.feeds import RAW_READINGS_SCHEMA
from tests.readings import NOON


def raw(*values: float, sensor: str = "probe-1") -> pl.DataFrame:
    """Values of one sensor and time, in the order of their offsets."""
    return pl.DataFrame(
        [
            {
                "sensor_id": sensor,
                "sensor_type": "temperature",
                "metric": "temperature",
                "event_time": NOON,
                "value": value,
                "unit": "C",
                "topic_id": "t",
                "partition": 0,
                "offset": offset,
                "index": 0,
                "ingested_at": NOON + timedelta(seconds=offset),
                "ingest_day": NOON.date(),
            }
            for offset, value in enumerate(values)
        ],
        schema=RAW_READINGS_SCHEMA,
    )


def outcome(frame: pl.DataFrame) -> list[tuple[float, int, int]]:
    return frame.select("value", "duplicates", "revisions").rows()


def test_an_equal_value_again_is_a_duplicate() -> None:
    assert outcome(stage(raw(1.0, 1.0, 1.0))) == [(1.0, 2, 0)]


def test_a_different_value_replaces_the_older_one_and_counts_as_a_revision() -> None:
    assert outcome(stage(raw(1.0, 2.0))) == [(2.0, 0, 1)]


def test_the_newest_position_wins_however_the_rows_lie() -> None:
    assert outcome(stage(raw(1.0, 2.0, 1.0).reverse())) == [(1.0, 0, 2)]


def test_sensors_do_not_meet() -> None:
    both = pl.concat([raw(1.0, 1.0, sensor="a"), raw(1.0, 2.0, sensor="b")])
    assert stage(both).select("sensor_id", "value", "duplicates", "revisions").rows() == [
        ("a", 1.0, 1, 0),
        ("b", 2.0, 0, 1),
    ]


@given(st.lists(st.sampled_from([1.0, 2.0]), min_size=1, max_size=8))
def test_nothing_gets_lost_between_raw_and_staged(values: list[float]) -> None:
    ((value, duplicates, revisions),) = outcome(stage(raw(*values)))
    assert value == values[-1]
    assert 1 + duplicates + revisions == len(values)


def test_staging_nothing_leaves_nothing() -> None:
    assert stage(raw()).height == 0


def test_a_sensor_type_with_a_quote_stays_inside_its_literal() -> None:
    assert days_of_type("o'clock", [NOON.date()]) == "sensor_type = 'o''clock' and day in ('2026-11-20')"
