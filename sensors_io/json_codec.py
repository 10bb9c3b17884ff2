"""Readings as JSON and NDJSON, decoded by Arrow in one pass over many messages.

A group of messages in which anything is wrong is decoded again in smaller ones, in the end reading by reading, so
that each bad reading gets its reason. Arrow's parser never sees what it could not bear (see `_parse`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from secrets import randbits
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from sensors_io.json_careful import decode_carefully
from sensors_io.reading import ARROW_SCHEMA, JSON, NDJSON, READING, Decoded, Rejection, as_rejected, no_readings, places
from sensors_io.times import parse_times, plain_times

# As JSON has it: times are text, and `attributes`, which can be any object, is left to the careful way unless null.
_AS_JSON = {"event_time": pa.string(), "attributes": pa.null()}
_FIELDS = [pa.field(field.name, _AS_JSON.get(field.name, field.type)) for field in ARROW_SCHEMA]
_OBJECTS = pa.schema(_FIELDS)
_ARRAYS = pa.schema([("m", pa.int64()), ("readings", pa.list_(pa.struct(_FIELDS)))])
_ENVELOPE = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"readings"[ \t\r\n]*:')
_SPACE = b" \t\r\n"
_LINE_END, _BRACE = b"\n{"
# Messages decoded together again after a larger group failed, so that one bad message slows only its neighbours;
# a message that is as large as a group of small ones is a group of its own.
_REGROUP = 64
_LARGE = 16 << 10
# What Arrow parses at once when there are only lines: what fits a processor's cache is parsed a third faster.
_BLOCK = 2 << 20

# Reads messages that look alike: the readings' table and how many there are in each; None where anything is wrong.
_Read = tuple[pa.Table, pl.Series] | None
_Reader = Callable[[Sequence[bytes]], _Read]


def decode_json(messages: Sequence[bytes], content_types: Sequence[str], positions: Sequence[int]) -> Decoded:
    """Decode the messages at these positions."""
    frames: list[pl.DataFrame] = []
    careful: list[int] = []
    # The commonest first: every message is an object.
    if len(positions) == len(messages) and (read := _read_if_objects(messages, content_types)):
        frames.append(_placed(*read, positions))
        groups = []
    else:
        groups = _alike(messages, content_types, positions)
    while groups:
        reader, group = groups.pop()
        if read := reader([messages[at] for at in group]):
            frames.append(_placed(*read, group))
        elif parts := _parts(messages, group):
            groups += [(reader, part) for part in parts]
        else:
            careful += group
    rejected: list[Rejection] = []
    if careful:
        frame, rejected = decode_carefully(messages, content_types, careful)
        frames.append(frame)
    return _timed(frames, as_rejected(rejected))


def _timed(frames: Sequence[pl.DataFrame], rejected: pl.DataFrame) -> Decoded:
    """All of the frames, those with times that are still text among them."""
    timed = [frame for frame in frames if frame.schema["event_time"] != pl.String()]
    texts = [frame for frame in frames if frame.schema["event_time"] == pl.String()]
    if not texts:
        return Decoded(pl.concat(timed or [no_readings()]), rejected)
    parsed, wrong = parse_times(pl.concat(texts))
    return Decoded(pl.concat([*timed, parsed]), pl.concat([rejected, wrong]))


def _alike(
    messages: Sequence[bytes], content_types: Sequence[str], positions: Sequence[int]
) -> list[tuple[_Reader, Sequence[int]]]:
    """The positions by what reads the messages there."""
    groups: dict[_Reader, list[int]] = {_read_objects: [], _read_lines: [], _read_arrays: []}
    for at in positions:
        groups[_reader(messages[at], content_types[at])].append(at)
    return [(reader, group) for reader, group in groups.items() if group]


def _reader(message: bytes, content_type: str) -> _Reader:
    if content_type == NDJSON:
        return _read_lines
    if message[:1] == b"{" and b"\n" not in message and not _ENVELOPE.match(message):
        return _read_objects
    return _read_arrays


def _parts(messages: Sequence[bytes], group: Sequence[int]) -> list[Sequence[int]]:
    """Smaller groups to try when a group failed; none where that would not help."""
    if len(group) > _REGROUP:
        return [group[start : start + _REGROUP] for start in range(0, len(group), _REGROUP)]
    large = [at for at in group if len(messages[at]) >= _LARGE]
    if not large or len(group) == 1:
        return []
    small = [at for at in group if len(messages[at]) < _LARGE]
    return [*([at] for at in large), *([small] if small else [])]


def _read_if_objects(messages: Sequence[bytes], content_types: Sequence[str]) -> _Read:
    """As `_read_objects`, of messages that may be something else altogether."""
    if _reader(messages[0], content_types[0]) is not _read_objects or content_types.count(JSON) < len(messages):
        return None
    return _read_objects(messages)


def _read_objects(messages: Sequence[bytes]) -> _Read:
    """One object a message, without line ends in it."""
    return _parse_lines(messages, pl.repeat(1, len(messages), dtype=pl.Int32, eager=True))


def _read_lines(messages: Sequence[bytes]) -> _Read:
    """One object a line."""
    texts = [message.strip(_SPACE) for message in messages]
    return _parse_lines(texts, pl.Series([text.count(b"\n") + 1 for text in texts], dtype=pl.Int32))


def _parse_lines(texts: Sequence[bytes], counts: pl.Series) -> _Read:
    """Texts of so many lines, each an object and nothing else."""
    body = b"\n".join([*texts, b""])
    lines = int(counts.sum())
    if not _begins_objects(body, lines):
        return None
    table = _parse(body, _OBJECTS, block_bytes=_BLOCK)
    # No text holds a raw line end, so the brace that begins a line opens an object; fields hold no objects, so there
    # are no other braces. As many objects as lines: then each line is one.
    if table is None or table.num_rows != lines:
        return None
    return _checked(table, counts)


def _begins_objects(body: bytes, lines: int) -> bool:
    """Whether there are so many lines and each begins with a brace."""
    text = pl.Series(pa.Array.from_buffers(pa.uint8(), len(body), [None, pa.py_buffer(body)]))
    ends = text == _LINE_END
    begun = ends[:-1] & (text[1:] == _BRACE)
    return body[0] == _BRACE and ends.sum() == lines and begun.sum() == lines - 1


def _read_arrays(messages: Sequence[bytes]) -> _Read:
    """Arrays, {"readings": array}, and objects that hold line ends."""
    # Unforgeable numbers: a message that closes its own line and opens others would show.
    first = randbits(60)
    body = b"\n".join(
        [b'{"m":%d,"readings":%b' % (first + at, _as_array(message)) for at, message in enumerate(messages)] + [b""]
    )
    table = _parse(body, _ARRAYS, block_bytes=len(body) + 1)
    if table is None:
        return None
    lists = cast("pa.ListArray[Any]", table.column("readings").combine_chunks())
    numbers = pl.Series(table.column("m"))
    if lists.null_count or not numbers.equals(pl.int_range(first, first + len(messages), eager=True)):
        return None
    flat = cast("pa.StructArray", lists.flatten())
    counts = pl.Series(pc.list_value_length(lists))
    if flat.null_count or any(counts[at] != 1 for at, message in enumerate(messages) if _is_alone(message)):
        return None
    return _checked(pa.Table.from_struct_array(flat), counts)


def _as_array(message: bytes) -> bytes:
    """The text after `"readings":`, closing brace included."""
    if not message.strip(_SPACE):
        return b"null}"
    if envelope := _ENVELOPE.match(message):
        return message[envelope.end() :]
    return b"[" + message + b"]}" if _is_alone(message) else message + b"}"


def _is_alone(message: bytes) -> bool:
    """Whether it is no array but, if anything, one object."""
    return message.lstrip(_SPACE)[:1] != b"[" and not _ENVELOPE.match(message)


def _parse(body: bytes, schema: pa.Schema, *, block_bytes: int) -> pa.Table | None:
    """The objects of a body; None where it holds anything else, or a line that is longer than a block.

    Arrow's parser crashes on a body that begins with null, stops at a NUL, skips a mark of byte order at the beginning
    and does not look whether text is UTF-8.
    """
    if body[:1] != b"{" or b"\0" in body:
        return None
    try:
        if not body.isascii():
            body.decode()
        return pa.json.read_json(
            cast("Any", pa.BufferReader(body)),
            read_options=pa.json.ReadOptions(block_size=block_bytes, use_threads=False),
            parse_options=pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        ).combine_chunks()
    except (pa.ArrowException, UnicodeDecodeError):
        return None


def _checked(table: pa.Table, counts: pl.Series) -> _Read:
    """Both, unless a value is not finite: Arrow takes more words for those than JSON has, which is none."""
    return None if pc.all(pc.is_finite(table.column("value"))).as_py() is False else (table, counts)


def _placed(table: pa.Table, counts: pl.Series, positions: Sequence[int]) -> pl.DataFrame:
    """The readings with `message` and `index`; event_time is text unless every one has the commonest form."""
    times = plain_times(table.column("event_time"))
    if times is not None:
        table = table.set_column(table.schema.get_field_index("event_time"), "event_time", times)
    said = pl.DataFrame(table.drop(["attributes"]))
    attributes = pl.Series("attributes", [None], pl.String).new_from_index(0, said.height)
    columns = [attributes if name == "attributes" else said.get_column(name) for name in READING]
    return pl.DataFrame([*places(positions, counts.to_numpy()), *columns])
