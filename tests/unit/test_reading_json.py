"""Readings as JSON again: the payload of a dead letter decodes to what it was made of."""

from __future__ import annotations

import json

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors_io.codecs import decode
from sensors_io.reading import JSON, READING
from sensors_io.reading_json import as_json

words = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
microseconds = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
columns = st.fixed_dictionaries(
    {
        **dict.fromkeys(("sensor_id", "sensor_type", "metric", "unit", "station"), words),
        "event_time": st.none() | microseconds,
        "value": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "quality": st.none() | st.integers(-32768, 32767),
        "attributes": st.none() | st.sampled_from(['{"a":"x","b":[1]}', "{}"]),
    }
)


def frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={**READING, "event_time": pl.Int64()}).cast(READING)


@settings(deadline=None)
@given(st.lists(columns, min_size=1, max_size=5))
def test_a_reading_as_json_decodes_to_itself(rows: list[dict[str, object]]) -> None:
    sent = frame(rows)
    payloads = as_json(sent).to_list()
    back = decode(payloads, [JSON] * len(payloads)).readings.sort("message").drop("message", "index")
    assert back.equals(sent, null_equal=True)


def test_what_json_has_no_word_for_is_told_as_text() -> None:
    row = dict.fromkeys(READING.names())
    far = frame([row | {"value": float("nan"), "event_time": 2**63 - 1, "attributes": "[1"}])
    told = json.loads(as_json(far)[0])
    assert (told["value"], told["event_time"], told["attributes"]) == ("NaN", "9223372036854775807", "[1")
