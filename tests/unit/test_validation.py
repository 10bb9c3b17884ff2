"""Which readings are taken."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from sensors_io.reading import READING
from sensors_io.validation import judge
from tests.readings import NOON, SENSOR_TYPES


def frame(**change: object) -> pl.DataFrame:
    row: dict[str, object] = {
        "sensor_id": "probe-1",
        "sensor_type": "temperature",
        "metric": "temperature",
        "event_time": NOON,
        "value": 1.0,
        "unit": "C",
    }
    return pl.DataFrame([row | change], schema=READING)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sensor_id": None}, "sensor_id is missing"),
        ({"sensor_id": ""}, "sensor_id is empty"),
        ({"sensor_id": "x" * 129}, "sensor_id is longer than 128 bytes"),
        ({"metric": "a\x00b"}, "metric has a control character"),
        ({"value": None}, "value is missing"),
        ({"value": float("nan")}, "value is not a finite number"),
        ({"value": float("-inf")}, "value is not a finite number"),
        ({"sensor_type": "smell"}, "unknown sensor_type"),
        ({"event_time": NOON.replace(year=1999)}, "event_time is before 2000"),
        ({"event_time": NOON + timedelta(hours=1, microseconds=1)}, "event_time is more than an hour ahead"),
        ({"attributes": "x" * 4097}, "attributes are longer than 4096 bytes"),
    ],
)
def test_a_bad_reading_is_rejected_with_its_reason(change: dict[str, object], reason: str) -> None:
    kept, rejected = judge(frame(**change), sensor_types=SENSOR_TYPES, seen_at=NOON)
    assert (kept.height, rejected.get_column("reason").to_list()) == (0, [reason])


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"event_time": NOON + timedelta(hours=1)},
        {"event_time": NOON.replace(year=2000)},
        {"value": -1e300},
        {"sensor_id": "Fühler/7"},
    ],
)
def test_a_good_reading_is_kept(change: dict[str, object]) -> None:
    kept, rejected = judge(frame(**change), sensor_types=SENSOR_TYPES, seen_at=NOON)
    assert (kept.height, rejected.height) == (1, 0)


def test_how_far_ahead_counts_from_when_each_was_seen() -> None:
    both = pl.concat([frame(event_time=NOON), frame(event_time=NOON)]).with_columns(
        ingested_at=pl.Series([NOON - timedelta(hours=2), NOON])
    )
    kept, rejected = judge(both, sensor_types=SENSOR_TYPES, seen_at=pl.col("ingested_at"))
    assert (kept.height, rejected.height) == (1, 1)
