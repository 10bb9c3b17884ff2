"""Bytes to readings: every form that is taken, and hostile ones that must only ever be refused."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorhouse.errors import Invalid, UnsupportedType
from sensors_io.arrow_codec import encode
from sensors_io.codecs import decode, decode_upload
from sensors_io.json_careful import decode_carefully
from sensors_io.reading import ARROW, JSON, NDJSON, READING, Decoded, as_rejected
from sensors_io.times import parse_times
from tests.readings import NOON, as_json, reading


def decode_one(message: bytes, content_type: str = JSON) -> Decoded:
    return decode([message], [content_type])


def reasons(decoded: Decoded) -> list[tuple[int, str]]:
    return decoded.rejected.sort("index").select("index", "reason").rows()


def careful(messages: list[bytes], content_types: list[str]) -> Decoded:
    """As decoded when something was wrong in every group."""
    frame, rejected = decode_carefully(messages, content_types, range(len(messages)))
    timed, untimed = parse_times(frame)
    return Decoded(timed, pl.concat([as_rejected(rejected), untimed]))


def in_order(decoded: Decoded) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Everything that was decoded, each double by its bits, each time as a number: Python has no year 0."""
    bits = pl.col("value").map_elements(lambda value: struct.pack("<d", value), return_dtype=pl.Binary)
    places = ["message", "index"]
    return decoded.readings.with_columns(bits, pl.col("event_time").to_physical()).sort(
        places
    ).rows(), decoded.rejected.sort(places).rows()


@pytest.mark.parametrize(
    "message",
    [
        as_json(reading()),
        as_json([reading()]),
        as_json({"readings": [reading()]}),
        json.dumps([reading()], indent=2).encode(),
        b"  \n" + as_json([reading()]) + b"\n",
    ],
)
def test_an_object_an_array_and_an_envelope_say_the_same(message: bytes) -> None:
    decoded = decode_one(message)
    assert decoded.rejected.height == 0
    assert decoded.readings.drop("message", "index").row(0, named=True) == {
        "sensor_id": "probe-1",
        "sensor_type": "temperature",
        "metric": "temperature",
        "event_time": NOON,
        "value": 20.5,
        "unit": "C",
        "quality": None,
        "station": None,
        "attributes": None,
    }


def test_lines_with_an_empty_one_at_the_end_are_readings() -> None:
    lines = b"\r\n".join(as_json(reading(name)) for name in "ab") + b"\r\n"
    assert decode_one(lines, NDJSON).readings.get_column("sensor_id").to_list() == ["a", "b"]


def test_what_was_encoded_decodes_to_the_same() -> None:
    sent = decode_one(as_json([reading(quality=3, station="s", attributes={"b": [1], "a": "x"}), reading("p2")]))
    back = decode_one(encode(sent.readings), ARROW)
    assert back.readings.equals(sent.readings)
    assert back.readings.item(0, "attributes") == '{"a":"x","b":[1]}'


@pytest.mark.parametrize("content_type", [JSON, NDJSON])
def test_fields_that_are_null_are_read_as_fast_as_those_that_are_left_out(
    content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("read one by one")

    monkeypatch.setattr("sensors_io.json_codec.decode_carefully", never)
    messages = [as_json(reading(f"probe-{at}", station=None, quality=None, attributes=None)) for at in range(100)]
    decoded = decode(messages, [content_type] * 100)
    assert (decoded.readings.height, decoded.rejected.height) == (100, 0)
    assert decoded.readings.get_column("attributes").null_count() == 100


def test_one_bad_reading_leaves_the_others() -> None:
    decoded = decode_one(as_json([reading("a"), reading("b", value="hot"), reading("c", colour=1), "d", reading("e")]))
    assert decoded.readings.select("sensor_id", "index").rows() == [("a", 0), ("e", 4)]
    assert reasons(decoded) == [(1, "value has the wrong type"), (2, "unknown field colour"), (3, "not an object")]


def test_one_bad_line_leaves_the_others() -> None:
    lines = b"\n".join([as_json(reading("a")), b"{oops", as_json(reading("c"))])
    decoded = decode_one(lines, NDJSON)
    assert decoded.readings.get_column("index").to_list() == [0, 2]
    assert [index for index, _ in reasons(decoded)] == [1]


@pytest.mark.parametrize(
    "event_time",
    ["yesterday", "2026-11-20", "2026-11-20T12:00:00", "20000-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "", "١٢"],
)
def test_a_time_that_is_none_rejects_its_reading_only(event_time: str) -> None:
    decoded = decode_one(as_json([reading("a"), reading("b") | {"event_time": event_time}]))
    assert decoded.readings.get_column("sensor_id").to_list() == ["a"]
    assert reasons(decoded) == [(1, "event_time is not a time with a zone, such as 2026-01-31T12:00:00Z")]


def test_a_time_of_any_zone_is_kept_in_utc() -> None:
    decoded = decode_one(as_json(reading() | {"event_time": "2026-11-20T13:00:00.25+01:00"}))
    assert decoded.readings.item(0, "event_time") == datetime(2026, 11, 20, 12, 0, 0, 250_000, UTC)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe",
        b'[{"sensor_id": "\\ud800"}]',
        b"[" * 100_000,
        b'{"readings": [' + b'{"a":' * 50_000,
        as_json({"readings": 5}),
        as_json({"readings": [], "more": 1}),
        b'{"readings": [], "readings": []}x',
        b"NaN",
        b"\x00" * 100,
    ],
)
def test_a_message_that_is_no_readings_is_one_dead_letter(message: bytes) -> None:
    decoded = decode_one(message)
    assert decoded.readings.height == 0
    assert decoded.rejected.height == 1


def test_a_message_can_not_speak_for_its_neighbours() -> None:
    forged = b'{"value":1}]}\n{"m":1,"readings":[' + as_json(reading("forged"))
    decoded = decode([as_json(reading("a")), forged, as_json(reading("b"))], [JSON] * 3)
    assert decoded.readings.select("message", "sensor_id").sort("message").rows() == [(0, "a"), (2, "b")]
    assert decoded.rejected.get_column("message").to_list() == [1]


def test_many_messages_of_all_kinds_keep_their_places() -> None:
    arrow = encode(decode_one(as_json([reading("c"), reading("d")])).readings)
    messages = [as_json(reading("a")), b"?", arrow, as_json([reading("e"), reading("f", x=1)]), b"..."]
    decoded = decode(messages, [JSON, JSON, ARROW, JSON, "text/html"])
    placed = decoded.readings.sort("message", "index").select("message", "index", "sensor_id").rows()
    assert placed == [(0, 0, "a"), (2, 0, "c"), (2, 1, "d"), (3, 0, "e")]
    assert decoded.rejected.sort("message").select("message", "index").rows() == [(1, -1), (3, 1), (4, -1)]


def arrow_of(**columns: pa.Array) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def columns() -> dict[str, pa.Array]:
    text = {name: pa.array([name]) for name in ("sensor_id", "sensor_type", "metric", "unit")}
    return {
        **text,
        "event_time": pa.array([NOON], pa.timestamp("ms", "Europe/Paris")),
        "value": pa.array([1], pa.int32()),
    }


def test_an_arrow_stream_of_other_widths_is_taken() -> None:
    given = columns() | {"sensor_id": pa.array(["x"]).dictionary_encode(), "unit": pa.array(["C"], pa.large_string())}
    row = decode_one(arrow_of(**given), ARROW).readings.row(0, named=True)
    assert (row["sensor_id"], row["value"], row["event_time"]) == ("x", 1.0, NOON)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"colour": pa.array(["red"])}, "unknown column colour"),
        ({"value": pa.array(["1"])}, "column value is string, not double"),
        ({"event_time": pa.array([NOON], pa.timestamp("us"))}, "column event_time is timestamp"),
        ({"quality": pa.array([1 << 40])}, "not a readable Arrow stream"),
    ],
)
def test_an_arrow_stream_of_another_shape_is_refused(change: dict[str, pa.Array], reason: str) -> None:
    decoded = decode_one(arrow_of(**(columns() | change)), ARROW)
    assert decoded.readings.height == 0
    assert reason in decoded.rejected.item(0, "reason")


def test_an_arrow_stream_cut_anywhere_is_refused_or_shorter() -> None:
    whole = encode(decode_one(as_json([reading(str(i)) for i in range(50)])).readings)
    for end in range(0, len(whole), 7):
        decoded = decode_one(whole[:end], ARROW)
        assert decoded.readings.height in (0, 50)
        assert decoded.readings.height + decoded.rejected.height > 0 or decoded.readings.height == 0


@given(st.binary(max_size=200), st.sampled_from([JSON, NDJSON, ARROW, "?"]))
def test_no_bytes_stop_the_decoder(message: bytes, content_type: str) -> None:
    decode_one(message, content_type)


@given(st.integers(0, 2_000), st.integers(0, 255))
def test_no_flipped_byte_stops_the_arrow_decoder(at: int, value: int) -> None:
    whole = bytearray(encode(decode_one(as_json([reading(str(i)) for i in range(20)])).readings))
    whole[at % len(whole)] = value
    decoded = decode_one(bytes(whole), ARROW)
    decoded.readings.select(pl.all().cast(pl.String)).rows()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(READING.names()), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=4))
def test_every_json_message_becomes_readings_or_dead_letters(values: list[object]) -> None:
    messages = [as_json(value) for value in values]
    decoded = decode(messages, [JSON] * len(messages))
    said = set(decoded.readings.get_column("message")) | set(decoded.rejected.get_column("message"))
    empty = {at for at, value in enumerate(values) if value in ([], {"readings": []})}
    assert said | empty == set(range(len(values)))


texts = st.text(max_size=6) | st.sampled_from(
    ["temperature", "C", "{", "}", '"', "\n", "\\", "]}", "é", "🦉", "\x00", "\x7f"]
)
times = st.datetimes(timezones=st.timezones() | st.just(UTC)).map(lambda time: time.isoformat()) | st.sampled_from(
    [
        "2026-11-20T12:00:00Z",
        "2026-11-20 12:00:00Z",
        "2026-11-20t12:00:00z",
        "2026-11-20T12:00:00.1Z",
        "2026-11-20T12:00:00.123456789Z",
        "2026-11-20T12:00:60Z",
        "2026-11-20T24:00:00Z",
        "2026-02-29T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "2026-11-20T12:00Z",
        "2026-11-20T12:00:00",
        "2026-11-20T12:00:00+0100",
        "2026-11-20T12:00:00+01",
        "2026-11-20T12:00+00:00",
        "2026-11-20T12:00:00-00:00",
        "20261120T120000Z",
        "2026-11-20T12:00:00.Z",
    ]
)
fields: dict[str, st.SearchStrategy[object]] = {
    **dict.fromkeys(("sensor_id", "sensor_type", "metric", "unit", "station"), st.none() | texts),
    "event_time": st.none() | times | texts,
    "value": st.none() | st.integers() | st.floats(),
    "quality": st.none() | st.integers(-40_000, 40_000),
}
whole_readings = st.fixed_dictionaries({}, optional=fields)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(whole_readings, min_size=1, max_size=4), min_size=1, max_size=5), st.sampled_from("oael"))
def test_one_pass_over_all_and_reading_by_reading_give_the_same(sent: list[list[object]], form: str) -> None:
    messages: list[bytes] = {
        "o": [as_json(one) for group in sent for one in group],
        "a": [as_json(group) for group in sent],
        "e": [as_json({"readings": group}) for group in sent],
        "l": [b"\n".join(as_json(one) for one in group) for group in sent],
    }[form]
    content_types = [NDJSON if form == "l" else JSON] * len(messages)
    assert in_order(decode(messages, content_types)) == in_order(careful(messages, content_types))


@pytest.mark.parametrize("event_time", ["2026-11-20T12:00:00Z", "2026-11-20 12:00:00Z", "2026-11-20T12:00:00+00:00"])
@pytest.mark.parametrize("fraction", ["", ".5", ".123456", ".000001"])
def test_the_fast_and_the_slow_way_read_a_time_alike(event_time: str, fraction: str) -> None:
    text = event_time.replace("00Z", f"00{fraction}Z").replace("00+", f"00{fraction}+")
    messages = [as_json(reading() | {"event_time": text})]
    assert in_order(decode(messages, [JSON])) == in_order(careful(messages, [JSON]))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (b'{"value": 1, "value": 2}', []),
        (b'{"value": 1, "v\\u0061lue": 2}', []),
        (b'{"value": NaN}', [math.nan]),
        (b'{"value": -Infinity}', [-math.inf]),
        (b'{"value": Inf}', []),
        (b'{"value": 1e400}', [math.inf]),
        (b'{"value": -1e400}', [-math.inf]),
        (b'{"value": 0e99999999999}', [0.0]),
        (b'{"value": 1e-400}', [0.0]),
        (b'{"value": -0}', [-0.0]),
        (b'{"value": 9007199254740993}', [9007199254740992.0]),
        (b'{"value": 18446744073709551616}', [18446744073709551616.0]),
        (b'{"value": 01}', []),
        (b'{"value": +1}', []),
        (b'{"value": "1"}', []),
        (b'{"value": true}', []),
        (b'{"value": 1}\x00', []),
        (b'{"value": 1}\x0b', []),
        (b'\xef\xbb\xbf{"value": 1}', []),
        (b'\r{"value":\r1}\r', [1.0]),
        (b'{"value": 1}{"value": 2}', []),
        (b'{"value": 1},{"value": 2}', []),
        (b'{"value": 1} null', []),
        (b'{"value": 1, "quality": -0}', [1.0]),
        (b'{"value": 1, "quality": 3.0}', []),
        (b'{"value": 1, "quality": 32768}', []),
        (b'{"value": 1, "unit": "\\udc00"}', []),
        (b'{"value": 1, "unit": "\\ud83e\\udd89"}', [1.0]),
        (b'{"value": 1, "unit": "\xed\xa0\x80"}', []),
        (b'{"value": 1, "attributes": {"a": 1, "a": 2}}', []),
        (b'{"value": 1, "attributes": {"a": 1e400}}', []),
        (b'{"value": 1, "attributes": null}', [1.0]),
    ],
)
@pytest.mark.parametrize("form", [JSON, NDJSON])
def test_the_corners_of_json_have_one_outcome(said: bytes, kept: list[float], form: str) -> None:
    alone = decode_one(said, form)
    slow = careful([said], [form])
    among = decode([said, as_json({"value": 5}), b"?"], [form, form, form])
    mine = pl.col("message") == 0
    assert in_order(alone) == in_order(slow)
    assert in_order(Decoded(among.readings.filter(mine), among.rejected.filter(mine))) == in_order(slow)
    assert [str(value) for value in alone.readings.get_column("value")] == [str(value) for value in kept]
    assert alone.rejected.height == (not kept)


@pytest.mark.parametrize("first", [b"null", b'{"readings":[]} null', b"[]}\nnull", b"null\nnull", b"\nnull", b"[null]"])
@pytest.mark.parametrize("form", [JSON, NDJSON])
def test_no_null_in_an_odd_place_stops_the_decoder(first: bytes, form: str) -> None:
    assert decode([first, as_json(reading())], [form, form]).readings.height == 1


def test_an_upload_that_can_not_be_read_at_all_is_refused_as_a_whole() -> None:
    with pytest.raises(Invalid, match="the body can't be read"):
        decode_upload(b"{", "application/json; charset=utf-8")
    with pytest.raises(UnsupportedType):
        decode_upload(b"a,b", "text/csv")


def test_an_empty_message_of_lines_is_a_dead_letter_too() -> None:
    assert reasons(decode_one(b"\n \n", NDJSON)) == [(-1, "empty")]


def test_a_number_too_long_for_a_double_is_not_finite() -> None:
    assert decode_one(b'[{"value": ' + b"9" * 400 + b"}]").readings.item(0, "value") == float("inf")


def test_values_keep_every_bit() -> None:
    sent = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3]
    back = decode_one(as_json([reading(value=value) for value in sent])).readings.get_column("value").to_list()
    assert [struct.pack("<d", value) for value in back] == [struct.pack("<d", value) for value in sent]
