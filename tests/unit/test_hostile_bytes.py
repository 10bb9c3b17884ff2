"""Bytes made to harm: each is refused, at a cost that its size bounds, and its neighbours don't notice."""

from __future__ import annotations

import struct
import time

import polars as pl
import pyarrow as pa
import pytest
from confluent_kafka import Message

from sensors_io.arrow_codec import encode
from sensors_io.arrow_frames import claims
from sensors_io.codecs import decode
from sensors_io.kafka import Topic
from sensors_io.reading import ARROW, JSON, NDJSON
from sensors_io.reading_decoder import ReadingDecoder
from sensors_io.slices import Messages, Slice
from tests.fuzz.batches import batch_of, check
from tests.readings import NOON, SENSOR_TYPES, as_json, reading
from warehouse.batches import Range


def readings_of(count: int) -> pl.DataFrame:
    return decode([as_json([reading(f"probe-{i}") for i in range(count)])], [JSON]).readings


def columns(rows: int, **more: pa.Array) -> dict[str, pa.Array]:
    """The columns that a stream must have, all of one value."""
    text = {name: pa.repeat("speed", rows) for name in ("sensor_id", "sensor_type", "metric", "unit")}
    return {
        **text,
        "event_time": pa.repeat(pa.scalar(NOON, pa.timestamp("us", "UTC")), rows),
        "value": pa.repeat(1.0, rows),
        **more,
    }


def stream_of(columns: dict[str, pa.Array], *, metadata: dict[str, str] | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table(columns).replace_schema_metadata(metadata)
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def shared_text(length: int, rows: int, *, as_view: bool) -> pa.Array:
    """One long text that all rows share."""
    if as_view:
        text = pl.Series(["x" * length]).new_from_index(0, rows)
        return text.to_arrow(compat_level=pl.CompatLevel.newest())
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array(["x" * length]))


@pytest.mark.parametrize(
    "stream",
    [
        stream_of(columns(50, station=pa.repeat("x" * 2_000_000, 50))),
        stream_of(columns(70_000, station=shared_text(1_000, 70_000, as_view=True))),
        stream_of(columns(70_000, station=shared_text(1_000, 70_000, as_view=False))),
    ],
    ids=["zstd", "views", "dictionary"],
)
def test_an_arrow_stream_that_expands_too_far_is_refused(stream: bytes) -> None:
    before = pa.total_allocated_bytes()
    decoded = decode([stream], [ARROW])
    assert decoded.readings.height == 0
    assert "it expands to more than 67108864 bytes" in decoded.rejected.item(0, "reason")
    assert pa.total_allocated_bytes() - before < 1 << 20


def test_an_arrow_stream_of_too_many_readings_is_refused() -> None:
    decoded = decode([stream_of(columns(1_000_001, station=pa.nulls(1_000_001)))], [ARROW])
    assert decoded.rejected.item(0, "reason") == "not a readable Arrow stream: more than 1000000 readings"


@pytest.mark.parametrize("claimed", [1 << 62, -2, -(1 << 62), 65 << 20])
def test_a_buffer_that_lies_about_its_size_is_refused_before_it_is_made(claimed: int) -> None:
    stream = bytearray(stream_of(columns(50_000)))
    body = claims(bytes(stream)).frames.start
    # The first buffer that begins with its true length: that of the values, eight bytes each.
    at = stream.index(struct.pack("<q", 400_000), body)
    stream[at : at + 8] = struct.pack("<q", claimed)
    decoded = decode([bytes(stream)], [ARROW])
    assert (decoded.readings.height, decoded.rejected.height) == (0, 1)
    with pytest.raises(ValueError, match=r"expands|negative"):
        claims(bytes(stream))


@pytest.mark.parametrize(
    "change",
    [
        {"station": pa.array([["a"]] * 3)},
        {"station": pa.array([{"a": 1}] * 3)},
        {"station": pa.array([b"a"] * 3)},
        {"station": pa.RunEndEncodedArray.from_arrays(pa.array([3], pa.int32()), pa.array(["a"]))},
        {"event_time": pa.array([1, 2, 1 << 62], pa.timestamp("s", "UTC"))},
        {"sensor_id": pa.nulls(3)},
    ],
    ids=["list", "struct", "binary", "run ends", "far time", "no sensor"],
)
def test_an_arrow_column_of_another_kind_is_refused(change: dict[str, pa.Array]) -> None:
    decoded = decode([stream_of(columns(3) | change)], [ARROW])
    assert (decoded.readings.height, decoded.rejected.height) == (0, 1)


def test_text_that_is_not_utf_8_is_refused_in_arrow_too() -> None:
    bad = pa.StringArray.from_buffers(3, pa.array(["a", "b", "c"]).buffers()[1], pa.py_buffer(b"a\xffc"))
    decoded = decode([stream_of(columns(3, station=bad)), encode(readings_of(2))], [ARROW, ARROW])
    assert decoded.readings.get_column("message").to_list() == [1, 1]
    assert "UTF8" in decoded.rejected.item(0, "reason")


def test_arrow_streams_with_other_metadata_are_read_together() -> None:
    streams = [stream_of(columns(2)), stream_of(columns(3), metadata={"from": "line 4"}), encode(readings_of(4))]
    decoded = decode(streams, [ARROW] * 3)
    assert decoded.readings.group_by("message").len().sort("message").rows() == [(0, 2), (1, 3), (2, 4)]


def test_finer_times_are_cut_to_microseconds() -> None:
    fine = pa.array([1_700_000_000_000_000_999], pa.timestamp("ns", "UTC"))
    decoded = decode([stream_of(columns(1, event_time=fine))], [ARROW])
    assert decoded.readings.get_column("event_time").to_physical().to_list() == [1_700_000_000_000_000]


@pytest.mark.parametrize("tail", [b"x", b"\xff\xff\xff\xff\0\0\0\0", encode(readings_of(1))])
def test_bytes_after_an_arrow_stream_are_refused(tail: bytes) -> None:
    decoded = decode([encode(readings_of(1)) + tail], [ARROW])
    assert (decoded.readings.height, decoded.rejected.height) == (0, 1)


def test_a_spoilt_arrow_stream_leaves_those_of_its_kind() -> None:
    good = [encode(readings_of(3)) for _ in range(4)]
    spoilt = bytearray(good[1])
    spoilt[-40] ^= 0xFF
    decoded = decode([good[0], bytes(spoilt), good[1][:-30], *good[2:]], [ARROW] * 5)
    assert set(decoded.readings.get_column("message")) - {1} == {0, 3, 4}
    assert 2 in decoded.rejected.get_column("message")


def sliced(values: list[bytes], content_type: str) -> Slice:
    """The messages as a drain reads them."""
    headers, seen = [("content-type", content_type.encode())], (1, int(NOON.timestamp() * 1000))
    messages = Messages()
    messages.add(
        [
            Message(topic="readings", partition=0, offset=at, key=b"k", value=value, headers=headers, timestamp=seen)
            for at, value in enumerate(values)
        ]
    )
    return Slice(Topic("readings", "t", (0,)), {0: Range(0, len(values))}, messages)


JUNK = {
    "empty objects": (b"[" + b"{}," * 100_000 + b"{}]", JSON),
    "numbers": (b"[" + b"1," * 100_000 + b"1]", JSON),
    "lines": (b"1\n" * 100_000, NDJSON),
    "arrow": (encode(pl.concat([readings_of(10)] * 1_000).with_columns(sensor_type=pl.lit("?"))), ARROW),
}


@pytest.mark.parametrize("kind", JUNK)
def test_junk_costs_one_dead_letter_a_message_and_not_one_a_reading(kind: str) -> None:
    message, content_type = JUNK[kind]
    batch = ReadingDecoder(SENSOR_TYPES, hot_days=400).decode(sliced([message] * 3, content_type))
    found = batch.dead.sort("offset").select("offset", "index", "payload").rows()
    assert found == [(at, -1, message) for at in range(3)]
    assert "of its readings can't be taken; the first, at 0: " in batch.dead.item(0, "reason")


def test_a_message_of_many_bad_readings_costs_about_its_own_size() -> None:
    bad = [reading(f"probe-{i}", sensor_type="smell") for i in range(5_000)]
    message = as_json([reading("good"), *bad])
    batch = ReadingDecoder(SENSOR_TYPES, hot_days=400).decode(sliced([message], JSON))
    assert (batch.rows.height, batch.dead.height) == (1, 5_000)
    assert batch.dead.get_column("payload").bin.size().sum() < 2 * len(message)


def test_every_row_of_a_large_slice_knows_its_message() -> None:
    messages = [as_json(reading(f"probe-{at}", station="x" * 100, unit="?" * (at % 7 == 0))) for at in range(70_000)]
    batch = ReadingDecoder(SENSOR_TYPES, hot_days=400).decode(sliced(messages, JSON))
    assert sum(map(len, messages)) > 16 << 20
    assert batch.rows.select(pl.format("probe-{}", "offset").eq(pl.col("sensor_id")).all()).item() is True
    assert batch.rows.height + batch.dead.height == 70_000


def test_one_bad_message_slows_its_neighbours_by_a_constant_factor_only() -> None:
    """A sample of the worst: a deep one, a long number, and every kind of group spoilt."""
    good = [as_json(reading(f"probe-{at}")) for at in range(2_000)]
    for bad in (b"[" * 1_000_000, b'{"a":' * 200_000, b'{"value":' + b"9" * 1_000_000 + b"}", b"{}\n" * 300_000):
        began = time.monotonic()
        decoded = decode([bad if at % 500 == 250 else one for at, one in enumerate(good)], [JSON] * len(good))
        assert decoded.readings.filter(pl.col("sensor_id").is_not_null()).height == 1_996
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("number", range(12))
def test_hostile_messages_leave_the_valid_ones_among_them_untouched(number: int) -> None:
    """A sample; `make fuzz` runs a million."""
    check(*batch_of(f"sample:{number}", 200))
