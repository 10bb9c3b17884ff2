"""Hostile messages made from valid ones: the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache

import pyarrow as pa

from sensors_io.arrow_codec import encode
from sensors_io.codecs import decode
from sensors_io.reading import ARROW, JSON, NDJSON
from tests.readings import many, reading

Case = tuple[bytes, str]

# What breaks parsers, put anywhere.
_SPLINTERS = (
    *(
        b"\x00",
        b"\xff",
        b"\r",
        b"\n",
        b"\n\n",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\u0000",
        b'"',
        b"\\",
        b"\x0b",
    ),
    *(
        b"null",
        b"[null]",
        b"{}",
        b"[]",
        b",",
        b":",
        b"{",
        b"}",
        b"[",
        b"]",
        b"]}",
        b"}{",
        b"]}\nnull",
        b" null ",
        b"//",
    ),
    *(
        b"NaN",
        b"-Infinity",
        b"Inf",
        b"1e400",
        b"-0",
        b"0e999999999999",
        b"9" * 400,
        b"1" * 5_000,
        b"01",
        b"1.",
        b"true",
    ),
    *(b'"readings":', b'{"readings":[', b'"m":1,', b'"value":1,', b'"sensor_id":"x",', b'"\\u0076alue":2,'),
    *(b'"attributes":{"a":{"b":[1,null]}},', b'"attributes":' + b'{"a":' * 400, b"[" * 2_000, b'{"a":' * 2_000),
    *(b"\xff\xff\xff\xff", b"\x00" * 8, b"\xff" * 8, b"\x00\x00\x00\x40", b"\xff\xff\xff\x7f", b"\x80\x96\x98\x00"),
)


@cache
def valid() -> tuple[Case, ...]:
    """Messages of every form, all of them right."""
    some = [*many(3), reading("é", quality=3, station="s"), reading(attributes={"a": [1, {"b": None}]})]
    texts = [json.dumps(one).encode() for one in some]
    table = decode(texts, [JSON] * len(texts)).readings
    return (
        *((text, JSON) for text in texts),
        (json.dumps(some[:2]).encode(), JSON),
        (json.dumps({"readings": some}, indent=1).encode(), JSON),
        (b"\n".join(texts), NDJSON),
        (b"\r\n".join(texts[:3]) + b"\n", NDJSON),
        (encode(table), ARROW),
        (encode(table[:1]), ARROW),
        *((_stream(encode(table), kind, compression), ARROW) for kind in _KINDS for compression in (None, "zstd")),
    )


_KINDS: tuple[Callable[[pa.Table], pa.Table], ...] = (
    lambda table: table,
    lambda table: table.set_column(0, "sensor_id", table.column(0).dictionary_encode()),
    lambda table: table.set_column(0, "sensor_id", table.column(0).cast(pa.string_view())),
    lambda table: table.set_column(0, "sensor_id", table.column(0).cast(pa.large_string())),
    lambda table: table.set_column(7, "station", pa.chunked_array([pa.nulls(table.num_rows)])),
)


def _stream(stream: bytes, change: Callable[[pa.Table], pa.Table], compression: str | None) -> bytes:
    table = change(pa.ipc.open_stream(stream).read_all())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as out:
        out.write_table(table, max_chunksize=3)
    return sink.getvalue().to_pybytes()


def hostile(chance: random.Random) -> Case:
    """A valid message, spoilt in one to four ways."""
    message, content_type = chance.choice(valid())
    spoilt = bytearray(message)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        chance.choice(_WAYS)(spoilt, chance)
    if chance.random() < 0.02:
        content_type = chance.choice((JSON, NDJSON, ARROW, "text/plain"))
    return bytes(spoilt), content_type


def _cut(message: bytearray, chance: random.Random) -> None:
    del message[chance.randrange(len(message) + 1) :]


def _flip(message: bytearray, chance: random.Random) -> None:
    if message:
        message[chance.randrange(len(message))] ^= 1 << chance.randrange(8)


def _overwrite(message: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(message) + 1)
    splinter = chance.choice(_SPLINTERS)
    message[at : at + len(splinter)] = splinter


def _insert(message: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(message) + 1)
    message[at:at] = chance.choice(_SPLINTERS)


def _repeat(message: bytearray, chance: random.Random) -> None:
    start, end = sorted(chance.randrange(len(message) + 1) for _ in range(2))
    message[end:end] = message[start:end]


def _splice(message: bytearray, chance: random.Random) -> None:
    other, _ = chance.choice(valid())
    at = chance.randrange(len(message) + 1)
    message[at:] = other[chance.randrange(len(other)) :]


def _swap(message: bytearray, chance: random.Random) -> None:
    """One JSON value for another of another type; a number of an Arrow frame for another."""
    if message[:1] in (b"{", b"["):
        colons = [at for at, byte in enumerate(message) if byte == ord(":")]
        if colons:
            at = chance.choice(colons) + 1
            message[at:at] = chance.choice((b"1,", b"null,", b"[],", b'"x",', b"true,", b"{},", b"1", b"[", b'{"a":1}'))
    elif len(message) >= 8:
        at = chance.randrange(len(message) // 8) * 8
        number = chance.choice((0, 1, -1, -2, 1 << 31, 1 << 62, chance.randrange(1 << 20)))
        message[at : at + 8] = number.to_bytes(8, "little", signed=True)


_WAYS = (_cut, _flip, _flip, _overwrite, _insert, _insert, _repeat, _splice, _swap, _swap)
