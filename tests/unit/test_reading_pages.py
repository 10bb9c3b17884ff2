"""Pages of readings in every form."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import orjson
import polars as pl

from api.reading_pages import CSV, READING_TYPES, written
from sensors_io.reading import ARROW, JSON, NDJSON
from tests.readings import NOON
from warehouse.readings import STAGED, growth

ROWS: list[dict[str, Any]] = [
    {
        "sensor_id": 'a "quoted", näme\\',
        "sensor_type": "temperature",
        "metric": "temperature",
        "event_time": NOON,
        "value": 20.5,
        "unit": "C",
        "quality": 3,
        "station": "",
        "attributes": '{"a": [1,\n {"b": "}"}]}',
        "ingested_at": NOON + timedelta(microseconds=5),
        "score": None,
    },
    {
        "sensor_id": "=cmd|' /C calc'!A0",
        "sensor_type": "temperature",
        "metric": "temperature",
        "event_time": NOON + timedelta(milliseconds=250),
        "value": -1e300,
        "unit": "-",
        "quality": None,
        "station": None,
        "attributes": None,
        "ingested_at": NOON,
        "score": 9.5,
    },
]
PAGE = pl.DataFrame(ROWS, schema=STAGED)


def told(row: dict[str, Any]) -> dict[str, Any]:
    """What a client should see of a row."""
    attributes = orjson.loads(row["attributes"]) if row["attributes"] else None
    return {**row, "attributes": attributes, "is_anomaly": row["score"] is not None}


def timed(item: dict[str, Any]) -> dict[str, Any]:
    """An item with its times as times."""
    return {**item, **{name: datetime.fromisoformat(item[name]) for name in ("event_time", "ingested_at")}}


def test_json_says_every_reading_and_where_to_go_on() -> None:
    page = orjson.loads(written(PAGE, JSON, 'the "next"'))
    assert [timed(item) for item in page["items"]] == [told(row) for row in ROWS]
    assert page["next"] == 'the "next"'


def test_ndjson_has_one_reading_a_line_whatever_its_attributes_look_like() -> None:
    lines = written(PAGE, NDJSON, "next").splitlines()
    assert [timed(orjson.loads(line)) for line in lines] == [told(row) for row in ROWS]


def test_csv_has_a_header_times_in_utc_and_no_cell_that_a_spreadsheet_would_run() -> None:
    text = written(PAGE, CSV, "next").decode()
    first, second = csv.DictReader(io.StringIO(text))
    assert first["event_time"] == "2026-11-20T12:00:00.000000Z"
    assert (first["sensor_id"], first["attributes"]) == (ROWS[0]["sensor_id"], ROWS[0]["attributes"])
    assert (first["value"], first["is_anomaly"], first["score"]) == ("20.5", "false", "")
    assert (second["sensor_id"], second["unit"]) == ("'" + ROWS[1]["sensor_id"], "'-")
    assert (float(second["value"]), second["is_anomaly"]) == (-1e300, "true")


def test_an_arrow_stream_has_the_rows_with_their_types() -> None:
    found = pl.read_ipc_stream(written(PAGE, ARROW, "next"))
    assert found.select(STAGED.names()).equals(PAGE)
    assert found["is_anomaly"].to_list() == [False, True]


def test_a_page_without_readings_is_one_in_every_form() -> None:
    empty = {kind: written(PAGE.clear(), kind, None) for kind in READING_TYPES}
    assert orjson.loads(empty[JSON]) == {"items": [], "next": None}
    assert empty[NDJSON] == b""
    assert empty[CSV].count(b"\n") == 1
    assert pl.read_ipc_stream(empty[ARROW]).height == 0


def test_the_next_stretch_of_time_is_as_long_as_what_was_found_asks_for() -> None:
    assert growth(100, 150) == 2
    assert growth(100, 1) == 1
    assert growth(1, 1_000_000) == 64
    assert growth(0, 100) == 4
