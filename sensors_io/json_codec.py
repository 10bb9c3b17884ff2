"""Readings as JSON and NDJSON, decoded by Arrow in one pass over many messages.

Each message becomes one line {"m": its number, "readings": [...]}. A group of lines in which anything is wrong is
decoded again, in the end reading by reading, so that each bad one gets its reason.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from secrets import randbits
from typing import Any, cast

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from sensors_io.reading import ARROW_SCHEMA, NDJSON, READING, REJECTED, WHOLE_MESSAGE, Decoded, no_readings, short

# As JSON has it: times are text, and `attributes`, which can be any object, is left to the one-by-one way.
_JSON_READING = pa.struct(
    [
        pa.field(f.name, pa.string() if f.name == "event_time" else f.type)
        for f in ARROW_SCHEMA
        if f.name != "attributes"
    ]
)
_JSON_LINES = pa.schema([("m", pa.int64()), ("readings", pa.list_(_JSON_READING))])
_ENVELOPE = re.compile(rb'\s*\{\s*"readings"\s*:')
# Messages decoded together again after a larger group failed, so that one bad message slows only its neighbours.
_REGROUP = 64


def decode_json(messages: Sequence[bytes], content_types: Sequence[str], positions: Sequence[int]) -> Decoded:
    """Decode the messages at these positions."""
    lines = {at: _as_array(messages[at], content_types[at]) for at in positions}
    readings: list[pl.DataFrame] = []
    rejected: list[tuple[int, int, str]] = []
    groups = [list(positions)]
    while groups:
        group = groups.pop()
        frame = _read_lines([lines[at] for at in group], group)
        if frame is not None:
            readings.append(frame)
        elif len(group) > _REGROUP:
            groups += [group[start : start + _REGROUP] for start in range(0, len(group), _REGROUP)]
        else:
            frame, failed = _decode_one_by_one(messages, content_types, group)
            readings.append(frame)
            rejected += failed
    timed, untimed = _parse_times(pl.concat(readings))
    return Decoded(timed, pl.concat([pl.DataFrame(rejected, schema=REJECTED, orient="row"), untimed]))


def _as_array(message: bytes, content_type: str) -> bytes:
    """The text after `"readings":`, closing brace included."""
    if not message or message.isspace():
        return b"null}"
    if content_type == NDJSON:
        # No JSON string holds a raw line end, so each one lies between two readings.
        return b"[" + message.strip().replace(b"\n", b",") + b"]}"
    if envelope := _ENVELOPE.match(message):
        return message[envelope.end() :]
    return message + b"}" if message.lstrip()[:1] == b"[" else b"[" + message + b"]}"


def _read_lines(arrays: Sequence[bytes], positions: Sequence[int]) -> pl.DataFrame | None:
    """The readings of lines that are right throughout, event_time still as text; None where any is not."""
    # Unforgeable numbers: a message that closes its own line and opens others would show.
    first = randbits(60)
    body = b"\n".join(b'{"m":%d,"readings":%b' % (first + at, array) for at, array in enumerate(arrays))
    try:
        body.decode()
        table = pa.json.read_json(
            io.BytesIO(body),
            read_options=pa.json.ReadOptions(block_size=len(body) + 1, use_threads=False),
            parse_options=pa.json.ParseOptions(explicit_schema=_JSON_LINES, unexpected_field_behavior="error"),
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    lists = cast("pa.ListArray[Any]", table.column("readings").combine_chunks())
    numbers = pl.Series(table.column("m"))
    if lists.null_count or not numbers.equals(pl.int_range(first, first + len(arrays), eager=True)):
        return None
    flat = cast("pa.StructArray", lists.flatten())
    if flat.null_count:
        return None
    counts = pl.DataFrame({"message": pl.Series(positions, dtype=pl.UInt32), "rows": pc.list_value_length(lists)})
    places = counts.select("message", index=pl.int_ranges("rows", dtype=pl.Int32)).explode("index", empty_as_null=False)
    columns = pl.DataFrame(pa.Table.from_struct_array(flat))
    return places.hstack(columns.with_columns(attributes=pl.lit(None, dtype=pl.String)).select(READING.names()))


def _parse_times(readings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Turn event_time from RFC 3339 text into UTC; apart, those where it is something else."""
    text = readings.get_column("event_time")
    # A fixed shape first: years beyond 9999 and times without a zone must not reach the parser.
    shaped = text.str.contains(r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$")
    times = (
        pl.select(pl.when(shaped).then(text))
        .to_series()
        .str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    )
    timed = readings.with_columns(times.alias("event_time"))
    wrong = text.is_not_null() & times.is_null()
    if not wrong.any():
        return timed, REJECTED.to_frame()
    reason = pl.lit("event_time is not a time with a zone, such as 2026-01-31T12:00:00Z").alias("reason")
    return timed.filter(~wrong), readings.filter(wrong).select("message", "index", reason)


def _decode_one_by_one(
    messages: Sequence[bytes], content_types: Sequence[str], positions: Sequence[int]
) -> tuple[pl.DataFrame, list[tuple[int, int, str]]]:
    """The careful way for the few messages in which something is wrong, or that carry attributes."""
    rows: list[dict[str, Any]] = []
    rejected: list[tuple[int, int, str]] = []
    for at in positions:
        for index, reading in _objects(messages[at], content_types[at]):
            problem = reading if isinstance(reading, str) else _problem(reading)
            if problem:
                rejected.append((at, index, problem))
            else:
                attributes = reading.get("attributes")
                text = None if attributes is None else orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode()
                rows.append({**reading, "attributes": text, "message": at, "index": index})
    schema = {**no_readings().schema, "event_time": pl.String()}
    return pl.DataFrame(rows, schema=schema, orient="row"), rejected


def _objects(message: bytes, content_type: str) -> list[tuple[int, Any]]:
    """Each reading with its index; a text in its place says why it can't be read."""
    texts = [line for line in message.split(b"\n") if line.strip()] if content_type == NDJSON else [message]
    if not texts:
        return [(WHOLE_MESSAGE, "empty")]
    found: list[tuple[int, Any]] = []
    for at, text in enumerate(texts):
        index = at if content_type == NDJSON else WHOLE_MESSAGE
        try:
            parsed = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            found.append((index, f"not JSON: {short(error)}"))
            continue
        if content_type == NDJSON:
            found.append((index, parsed if isinstance(parsed, dict) else "not an object"))
            continue
        if isinstance(parsed, dict) and set(parsed) == {"readings"}:
            parsed = parsed["readings"]
        elif isinstance(parsed, dict):
            parsed = [parsed]
        if isinstance(parsed, list):
            found += [(i, item if isinstance(item, dict) else "not an object") for i, item in enumerate(parsed)]
        else:
            found.append((WHOLE_MESSAGE, "neither an object nor an array"))
    return found


_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("sensor_id", "sensor_type", "metric", "event_time", "unit", "station"), (str,)),
    "value": (int, float),
    "quality": (int,),
    "attributes": (dict,),
}


def _problem(reading: dict[str, Any]) -> str | None:
    for name, value in reading.items():
        kinds = _KINDS.get(name)
        if kinds is None:
            return f"unknown field {short(name)}"
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            return f"{name} has the wrong type"
    quality = reading.get("quality")
    if quality is not None and not -32768 <= quality <= 32767:
        return "quality is not between -32768 and 32767"
    return None
