"""What an Arrow stream says of itself, read and held against limits before anything is allocated for it.

A stream is a row of frames: a length, a flatbuffer that describes the frame, and the frame's body. Buffers may be
compressed, and a few bytes then claim any size. Arrow believes them, so they are looked at here first. The
flatbuffer tables are those of Arrow's `Message.fbs`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sensors_io.reading import MOST_READINGS

MOST_EXPANDED_BYTES = 64 << 20
# Readings expand about fivefold, and no slice of them must be more than memory holds.
_MOST_EXPANSION = 32
_CONTINUED = b"\xff\xff\xff\xff"
_SCHEMA, _DICTIONARY, _ROWS = 1, 2, 3
# Far more than readings have; a frame's description grows with its columns.
_MOST_BUFFERS = 1_000
# Before each compressed buffer stands how long it is when expanded.
_LENGTH = struct.Struct("<q")


@dataclass(frozen=True)
class Claims:
    """What the frames of a stream say that they hold.

    `schema` is the first frame's bytes, `frames` where the others lie in the stream; `rows` and `expanded` are what
    they come to in memory.
    """

    schema: bytes
    frames: slice
    rows: int
    expanded: int
    has_dictionaries: bool


@dataclass(frozen=True)
class _Table:
    """A flatbuffer table: where it lies and where its fields are."""

    data: bytes
    at: int

    def place(self, field: int) -> int | None:
        """Where a field's value lies; None when it is left out."""
        vtable = self.at - _number("<i", self.data, self.at)
        entry = 4 + 2 * field
        if entry + 2 > _number("<H", self.data, vtable):
            return None
        offset = _number("<H", self.data, vtable + entry)
        return self.at + offset if offset else None

    def number(self, field: int, form: str) -> int:
        """A scalar field; 0 when it is left out."""
        place = self.place(field)
        return 0 if place is None else _number(form, self.data, place)

    def table(self, field: int) -> _Table | None:
        """A field that is a table."""
        place = self.place(field)
        return None if place is None else _Table(self.data, place + _number("<I", self.data, place))

    def pairs(self, field: int) -> tuple[int, ...]:
        """A field that is a vector of structs of two int64, flat."""
        place = self.place(field)
        if place is None:
            return ()
        start = place + _number("<I", self.data, place)
        count = _number("<I", self.data, start)
        if count > _MOST_BUFFERS:
            raise ValueError(f"{count} buffers in one frame")
        numbers: tuple[int, ...] = struct.unpack_from(f"<{2 * count}q", self.data, start + 4)
        return numbers


def claims(stream: bytes) -> Claims:
    """Look at every frame of a stream.

    Raises `ValueError` when they don't fit together or hold more than a message may.
    """
    try:
        return _claims(stream)
    except struct.error as error:
        raise ValueError(f"a frame is cut off: {error}") from error


def _claims(stream: bytes) -> Claims:
    frames = _frames(stream)
    first = next(frames, None)
    if first is None or first.kind != _SCHEMA or first.body.start != first.body.stop:
        raise ValueError("it does not begin with a schema")
    rows, expanded, end, has_dictionaries = 0, 0, first.body.stop, False
    for frame in frames:
        if frame.kind not in (_DICTIONARY, _ROWS):
            raise ValueError(f"a frame of kind {frame.kind}")
        inner = frame.header if frame.kind == _ROWS else frame.header.table(1)
        if inner is None:
            raise ValueError("a dictionary without values")
        has_dictionaries |= frame.kind == _DICTIONARY
        length, size = _checked(inner, stream, frame.body, flat=frame.kind == _ROWS)
        rows += length if frame.kind == _ROWS else 0
        expanded, end = expanded + size, frame.body.stop
        if max(rows, length) > MOST_READINGS:
            raise ValueError(f"more than {MOST_READINGS} readings")
        if expanded > min(MOST_EXPANDED_BYTES, _MOST_EXPANSION * len(stream)):
            if expanded <= MOST_EXPANDED_BYTES:
                raise ValueError(f"it expands to {expanded} bytes, more than {_MOST_EXPANSION} times its own")
            raise ValueError(f"it expands to more than {MOST_EXPANDED_BYTES} bytes")
    return Claims(stream[: first.body.stop], slice(first.body.stop, end), rows, expanded, has_dictionaries)


@dataclass(frozen=True)
class _Frame:
    kind: int
    header: _Table
    body: slice


def _frames(stream: bytes) -> Iterator[_Frame]:
    """The frames up to the end mark or the end of the bytes."""
    at = 0
    while at < len(stream):
        if stream[at : at + 4] != _CONTINUED:
            raise ValueError("a frame does not begin as one")
        size = _number("<i", stream, at + 4)
        if size == 0:
            if at + 8 != len(stream):
                raise ValueError("bytes after the end mark")
            return
        start = at + 8
        if size < 0 or start + size > len(stream):
            raise ValueError("a frame is cut off")
        described = stream[start : start + size]
        message = _Table(described, _number("<I", described, 0))
        length = message.number(3, "<q")
        header = message.table(2)
        body = slice(start + size, start + size + length)
        if length < 0 or body.stop > len(stream) or header is None:
            raise ValueError("a frame is cut off")
        yield _Frame(message.number(1, "<B"), header, body)
        at = body.stop


def _checked(batch: _Table, stream: bytes, body: slice, *, flat: bool) -> tuple[int, int]:
    """Rows and expanded bytes of one record batch, whose columns must all be as long as it is."""
    length = batch.number(0, "<q")
    nodes, buffers = batch.pairs(1), batch.pairs(2)
    if length < 0 or any(count < 0 for count in nodes) or (flat and any(rows != length for rows in nodes[::2])):
        raise ValueError("its columns are not all of one length")
    held = body.stop - body.start
    if any(
        offset < 0 or size < 0 or offset + size > held for offset, size in zip(buffers[::2], buffers[1::2], strict=True)
    ):
        raise ValueError("a buffer lies outside its frame")
    if batch.place(3) is None:
        return length, sum(buffers[1::2])
    expanded = 0
    for offset, size in zip(buffers[::2], buffers[1::2], strict=True):
        if size:
            (claimed,) = _LENGTH.unpack_from(stream, body.start + offset)
            # -1: this buffer was left as it is.
            if claimed < -1:
                raise ValueError("a buffer of a negative length")
            expanded += size if claimed == -1 else claimed
    return length, expanded


def _number(form: str, data: bytes, at: int) -> int:
    """One little-endian number; raises `struct.error` where there is none."""
    if at < 0:
        raise struct.error("an offset before the beginning")
    found: int = struct.unpack_from(form, data, at)[0]
    return found
