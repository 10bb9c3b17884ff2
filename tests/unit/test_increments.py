"""Staging in parts, with parts repeated, against staging all at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from assets.staging import IDENTITY, READINGS, increment, stage
from sensors_io.feeds import RAW_READINGS_SCHEMA
from tests.readings import NOON

Row = tuple[int, int, float, int]
"""Partition, second of the event time, value, step of the broker's clock."""


def raw(rows: list[Row], topic_id: str = "t") -> pl.DataFrame:
    """Readings of one sensor, with offsets that count up in each partition."""
    offsets = dict.fromkeys((0, 1), 0)
    clock = 0
    made: list[dict[str, Any]] = []
    for partition, second, value, ticks in rows:
        clock += ticks
        made.append(
            {
                "sensor_id": "probe-1",
                "sensor_type": "temperature",
                "metric": "temperature",
                "event_time": NOON + timedelta(seconds=second),
                "value": value,
                "unit": "C",
                "topic_id": topic_id,
                "partition": partition,
                "offset": offsets[partition],
                "index": 0,
                "ingested_at": NOON + timedelta(seconds=clock),
                "ingest_day": NOON.date(),
            }
        )
        offsets[partition] += 1
    return pl.DataFrame(made, schema=RAW_READINGS_SCHEMA)


def gone_on(there: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame | None:
    """The table after an increment, as a merge leaves it; None where a rebuild is asked for."""
    outcome = increment(fresh, there.join(fresh, on=IDENTITY, how="semi"))
    if outcome is None:
        return None
    new, changed = outcome
    return pl.concat([there.join(changed, on=IDENTITY, how="anti"), changed, new])


def assert_same(one: pl.DataFrame, other: pl.DataFrame) -> None:
    assert_frame_equal(one.sort(IDENTITY), other.sort(IDENTITY))


values = st.sampled_from([1.0, 2.0])
one_partition = st.lists(st.tuples(st.just(0), st.integers(0, 2), values, st.integers(0, 2)), max_size=12)
any_partition = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), values, st.integers(-1, 2)), max_size=12)
cuts = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4)


def staged_in_parts(rows: list[Row], parts: list[tuple[int, int]]) -> tuple[pl.DataFrame, int]:
    """Each part begins at or before where staging had got, as after a crash; also how often a rebuild was asked for."""
    everything = raw(rows)
    there, reached, rebuilds = READINGS.to_frame(), 0, 0
    for back, on in [*parts, (0, len(rows))]:
        end = min(reached + on, len(rows))
        after = gone_on(there, everything[max(0, reached - back) : end])
        rebuilds += after is None
        there = stage(everything[:end]) if after is None else after
        reached = end
    return there, rebuilds


@settings(max_examples=50)
@given(one_partition, cuts)
def test_staging_in_parts_with_repeats_comes_to_the_same(rows: list[Row], parts: list[tuple[int, int]]) -> None:
    there, rebuilds = staged_in_parts(rows, parts)
    assert_same(there, stage(raw(rows)))
    assert rebuilds == 0


@settings(max_examples=50)
@given(any_partition, cuts)
def test_partitions_that_share_a_sensor_and_a_clock_that_goes_back_come_to_the_same(
    rows: list[Row], parts: list[tuple[int, int]]
) -> None:
    there, _ = staged_in_parts(rows, parts)
    assert_same(there, stage(raw(rows)))


def test_a_repeat_of_what_is_staged_adds_nothing() -> None:
    rows = raw([(0, 0, 1.0, 1), (0, 0, 1.0, 1), (0, 1, 2.0, 1)])
    outcome = increment(rows, stage(rows))
    assert outcome is not None
    assert [frame.height for frame in outcome] == [0, 0]


def test_a_topic_made_anew_asks_for_a_rebuild_only_where_it_repeats_a_reading() -> None:
    before = stage(raw([(0, 0, 1.0, 1)]))
    anew = raw([(0, 0, 2.0, 5)], topic_id="another")
    assert increment(anew, before) is None
    assert increment(raw([(0, 1, 2.0, 5)], topic_id="another"), before.clear()) is not None


def test_nothing_gets_lost_between_raw_and_staged_in_parts() -> None:
    rows = [(0, i % 3, float(i % 2), 1) for i in range(10)]
    there, _ = staged_in_parts(rows, [(0, 4), (2, 3)])
    counted = there.select(pl.len() + pl.col("duplicates").sum() + pl.col("revisions").sum())
    assert counted.item() == 10
