"""JSON and NDJSON reading by reading: slow, for messages in which something is wrong, or that carry attributes.

It takes what `json_codec` takes of a whole group at once, with the same outcome.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from math import isfinite
from typing import Any

import orjson
import polars as pl

from sensors_io.reading import NDJSON, READING, WHOLE_MESSAGE, Rejection, no_readings, short
from sensors_io.refusals import most_refused, too_many

_SPACES = re.compile(r"[ \t\r\n]*")
_ENVELOPE = re.compile(r'[ \t\r\n]*\{[ \t\r\n]*"readings"[ \t\r\n]*:[ \t\r\n]*(?=\[)')
_ENVELOPE_END = re.compile(r"[ \t\r\n]*\}[ \t\r\n]*")


class _Unreadable(str):
    """Why something is no JSON."""

    __slots__ = ()


class _Refused(Exception):
    """Why a reading is not taken."""


class _Repeated:
    """An object in which a field comes twice."""


class _NotFinite:
    """A number too large for a double, or none at all. No dataclass: those could be written as JSON."""

    def __init__(self, value: float) -> None:
        self.value = value


class _MinusZero(int):
    """The literal -0, which is an integer but not the 0 of doubles."""

    def __float__(self) -> float:
        return -0.0


def decode_carefully(
    messages: Sequence[bytes], content_types: Sequence[str], positions: Sequence[int]
) -> tuple[pl.DataFrame, list[Rejection]]:
    """The good readings of the messages at these positions, `event_time` still as text, and the bad ones."""
    rows: list[tuple[object, ...]] = []
    rejected: list[Rejection] = []
    for at in positions:
        bad: list[Rejection] = []
        count, most = 0, most_refused(len(messages[at]))
        for index, source, reading in _readings(messages[at], content_types[at]):
            try:
                rows.append((at, index, *_row(reading)))
            except _Refused as problem:
                count += 1
                if count <= most:
                    bad.append((at, index, str(problem), None if source is None else source.encode()))
        if count > most:
            bad = [(at, WHOLE_MESSAGE, too_many(count, bad[0][1], bad[0][2]), None)]
        rejected += bad
    schema = {**no_readings().schema, "event_time": pl.String()}
    return pl.DataFrame(rows, schema=schema, orient="row"), rejected


def _readings(message: bytes, content_type: str) -> list[tuple[int, str | None, Any]]:
    """Each reading with its index and its source text; no text stands for the whole message."""
    if content_type != NDJSON:
        return _readings_of_one(message)
    lines = [line for line in message.split(b"\n") if line.strip(b" \t\r")]
    if not lines:
        return [(WHOLE_MESSAGE, None, _Unreadable("empty"))]
    return [(index, *_line(line)) for index, line in enumerate(lines)]


def _line(line: bytes) -> tuple[str, Any]:
    try:
        text = line.decode()
        return text, _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return line.decode(errors="backslashreplace"), _Unreadable(f"not JSON: {short(error)}")


def _readings_of_one(message: bytes) -> list[tuple[int, str | None, Any]]:
    try:
        text = message.decode()
        items = _listed(text)
        if items is not None:
            return [(index, source, item) for index, (source, item) in enumerate(items)]
        parsed = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return [(WHOLE_MESSAGE, None, _Unreadable(f"not JSON: {short(error)}"))]
    if isinstance(parsed, dict | _Repeated):
        return [(0, text, parsed)]
    return [(WHOLE_MESSAGE, None, _Unreadable("neither an object nor an array"))]


def _listed(text: str) -> list[tuple[str, Any]] | None:
    """The items of an array or of {"readings": array}, with their source; None when it is neither."""
    envelope = _ENVELOPE.match(text)
    start = envelope or _SPACES.match(text)
    assert start is not None
    if not text.startswith("[", start.end()):
        return None
    items, end = _array(text, start.end())
    if (_ENVELOPE_END if envelope else _SPACES).fullmatch(text, end):
        return items
    if envelope:
        return None
    raise ValueError("something follows the array")


def _array(text: str, at: int) -> tuple[list[tuple[str, Any]], int]:
    """The array that begins here, and where it ends."""
    items: list[tuple[str, Any]] = []
    at = _after_spaces(text, at + 1)
    if text.startswith("]", at):
        return items, at + 1
    while True:
        item, end = _DECODER.raw_decode(text, at)
        items.append((text[at:end], item))
        at = _after_spaces(text, end)
        if text.startswith("]", at):
            return items, at + 1
        if not text.startswith(",", at):
            raise ValueError(f"neither , nor ] at {at}")
        at = _after_spaces(text, at + 1)


def _after_spaces(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    assert found is not None
    return found.end()


_FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("sensor_id", "sensor_type", "metric", "event_time"), (str,)),
    "value": (int, float, _MinusZero, _NotFinite),
    "unit": (str,),
    "quality": (int, _MinusZero),
    "station": (str,),
    "attributes": (dict,),
}
assert tuple(_FIELDS) == tuple(READING)


def _row(reading: Any) -> tuple[object, ...]:
    """The columns of READING; raises `_Refused` with what is wrong."""
    if isinstance(reading, _Unreadable):
        raise _Refused(reading)
    if isinstance(reading, _Repeated):
        raise _Refused("a field comes twice")
    if not isinstance(reading, dict):
        raise _Refused("not an object")
    for name, value in reading.items():
        kinds = _FIELDS.get(name)
        if kinds is None:
            raise _Refused(f"unknown field {short(name)}")
        # By its very type: True is an int too.
        if value is not None and type(value) not in kinds:
            raise _Refused(f"{name} has the wrong type")
        if type(value) is str and not value.isascii():
            _check_encodes(name, value)
    values = [reading.get(name) for name in _FIELDS]
    values[4], values[6], values[8] = _double(values[4]), _small(values[6]), _text(values[8])
    return tuple(values)


def _check_encodes(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Refused(f"{name} has half a surrogate pair") from None


def _double(value: Any) -> float | None:
    if isinstance(value, _NotFinite):
        return value.value
    return None if value is None else float(value)


def _small(quality: int | None) -> int | None:
    if quality is not None and not -32768 <= quality <= 32767:
        raise _Refused("quality is not between -32768 and 32767")
    return None if quality is None else int(quality)


def _text(attributes: dict[str, Any] | None) -> str | None:
    if attributes is None:
        return None
    try:
        return orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError as error:
        raise _Refused(f"attributes can't be kept: {short(error)}") from None


def _whole_number(text: str) -> object:
    if text == "-0":
        return _MinusZero()
    if len(text) <= 20 and -(1 << 63) <= (number := int(text)) < 1 << 64:
        return number
    return _number(text)


def _number(text: str) -> object:
    value = float(text)
    return value if isfinite(value) else _NotFinite(value)


def _no_number(name: str) -> _NotFinite:
    return _NotFinite(float(name))


def _object(fields: list[tuple[str, Any]]) -> object:
    found = dict(fields)
    return found if len(found) == len(fields) else _Repeated()


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole_number, parse_float=_number, parse_constant=_no_number
)
