"""Readings as bytes and as columns."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import randbits
from typing import Any, cast

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.json

from sensorhouse.errors import Invalid, UnsupportedType

JSON = "application/json"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"

# What one reading is, everywhere after it was decoded; `attributes` is a JSON object as text.
READING = pl.Schema(
    {
        "sensor_id": pl.String(),
        "sensor_type": pl.String(),
        "metric": pl.String(),
        "event_time": pl.Datetime("us", "UTC"),
        "value": pl.Float64(),
        "unit": pl.String(),
        "quality": pl.Int16(),
        "station": pl.String(),
        "attributes": pl.String(),
    }
)
REQUIRED = ("sensor_id", "sensor_type", "metric", "event_time", "value", "unit")
REJECTED = pl.Schema({"message": pl.UInt32(), "index": pl.Int32(), "reason": pl.String()})
WHOLE_MESSAGE = -1

_ARROW_TYPES: dict[str, pa.DataType] = {
    "sensor_id": pa.string(),
    "sensor_type": pa.string(),
    "metric": pa.string(),
    "event_time": pa.timestamp("us", "UTC"),
    "value": pa.float64(),
    "unit": pa.string(),
    "quality": pa.int16(),
    "station": pa.string(),
    "attributes": pa.string(),
}
_ARROW = pa.schema(_ARROW_TYPES)
# As JSON has it: times are text, and `attributes`, which can be any object, is left to the one-by-one way.
_JSON_READING = pa.struct(
    [pa.field(f.name, pa.string() if f.name == "event_time" else f.type) for f in _ARROW if f.name != "attributes"]
)
_JSON_LINES = pa.schema([("m", pa.int64()), ("readings", pa.list_(_JSON_READING))])
_ENVELOPE = re.compile(rb'\s*\{\s*"readings"\s*:')
# Messages decoded together again after a larger group failed, so that one bad message slows only its neighbours.
_REGROUP = 64
_MOST_ROWS = 1_000_000
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class Decoded:
    """What a sequence of messages says.

    `readings`: `message` (its place in the sequence), `index` (the reading's place in its message) and READING;
    `rejected`: REJECTED, with index -1 where the whole message can't be read.
    """

    readings: pl.DataFrame
    rejected: pl.DataFrame


def decode(messages: Sequence[bytes], content_types: Sequence[str]) -> Decoded:
    """Decode messages of mixed content types; whatever the bytes are, this returns."""
    parts: list[Decoded] = []
    arrow = [at for at, kind in enumerate(content_types) if kind == ARROW]
    json = [at for at, kind in enumerate(content_types) if kind in (JSON, NDJSON)]
    if arrow:
        parts.append(_decode_arrow(messages, arrow))
    if json:
        parts.append(_decode_json(messages, content_types, json))
    if len(arrow) + len(json) < len(messages):
        known = {ARROW, JSON, NDJSON}
        strange = [at for at, kind in enumerate(content_types) if kind not in known]
        parts.append(_rejected((at, WHOLE_MESSAGE, "unknown content type") for at in strange))
    if len(parts) == 1:
        return parts[0]
    return Decoded(
        pl.concat([_no_readings(), *(part.readings for part in parts)]),
        pl.concat([REJECTED.to_frame(), *(part.rejected for part in parts)]),
    )


def decode_upload(body: bytes, content_type: str) -> Decoded:
    """Decode one client's body: JSON object, array or `{"readings": […]}`, NDJSON, or an Arrow stream.

    Raises `UnsupportedType` for another content type and `Invalid` when the body as a whole can't be read.
    """
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if kind not in (JSON, NDJSON, ARROW):
        raise UnsupportedType(f"send {JSON}, {NDJSON} or {ARROW}")
    decoded = decode([body], [kind])
    whole = decoded.rejected.filter(pl.col("index") == WHOLE_MESSAGE)
    if whole.height:
        raise Invalid(f"the body can't be read: {whole.item(0, 'reason')}")
    return decoded


def encode(readings: pl.DataFrame) -> bytes:
    """The columns of READING as an lz4-compressed Arrow stream."""
    sink = pa.BufferOutputStream()
    table = readings.select(READING.names()).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(_ARROW)
    with pa.ipc.new_stream(sink, _ARROW, options=_WRITE) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _no_readings() -> pl.DataFrame:
    return pl.Schema({"message": pl.UInt32(), "index": pl.Int32(), **READING}).to_frame()


def _rejected(rows: Any) -> Decoded:
    return Decoded(_no_readings(), pl.DataFrame(list(rows), schema=REJECTED, orient="row"))


# Arrow


def _decode_arrow(messages: Sequence[bytes], positions: Sequence[int]) -> Decoded:
    tables: list[pa.Table] = []
    lengths: list[tuple[int, int]] = []
    rejected: list[tuple[int, int, str]] = []
    for at in positions:
        try:
            table = _read_arrow(messages[at])
        except (pa.ArrowException, OSError, ValueError) as error:
            rejected.append((at, WHOLE_MESSAGE, f"not a readable Arrow stream: {_short(error)}"))
            continue
        tables.append(table)
        lengths.append((at, table.num_rows))
    if not tables:
        return _rejected(rejected)
    readings = pl.DataFrame(pa.concat_tables(tables).combine_chunks()).cast(READING)
    places = (
        pl.DataFrame(lengths, schema={"message": pl.UInt32, "rows": pl.Int32}, orient="row")
        .select("message", index=pl.int_ranges("rows", dtype=pl.Int32))
        .explode("index", empty_as_null=False)
    )
    return Decoded(places.hstack(readings), pl.DataFrame(rejected, schema=REJECTED, orient="row"))


def _read_arrow(message: bytes) -> pa.Table:
    with pa.ipc.open_stream(message) as stream:
        schema = stream.schema
        if not schema.equals(_ARROW):
            _check_columns(schema)
        table = stream.read_all()
    table.validate(full=True)
    if table.num_rows > _MOST_ROWS:
        raise ValueError(f"more than {_MOST_ROWS} readings")
    if schema.equals(_ARROW):
        return table
    nothing = pa.nulls(table.num_rows)
    columns = [table.column(f.name) if f.name in schema.names else nothing for f in _ARROW]
    return pa.table([column.cast(field.type) for column, field in zip(columns, _ARROW, strict=True)], schema=_ARROW)


def _check_columns(schema: pa.Schema) -> None:
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("a column comes twice")
    for field in schema:
        if field.name not in _ARROW.names:
            raise ValueError(f"unknown column {_short(field.name)}")
        wanted = _ARROW.field(field.name).type
        fits = (
            pa.types.is_timestamp(field.type) and field.type.tz is not None
            if pa.types.is_timestamp(wanted)
            else pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
            if pa.types.is_floating(wanted)
            else pa.types.is_integer(field.type)
            if pa.types.is_integer(wanted)
            else _is_text(field.type)
        )
        if not fits:
            raise ValueError(f"column {field.name} is {field.type}, not {wanted}")
    missing = [name for name in REQUIRED if name not in schema.names]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


# JSON and NDJSON: each message becomes a line {"m": its number, "readings": [...]}; Arrow reads all lines at once.


def _decode_json(messages: Sequence[bytes], content_types: Sequence[str], positions: Sequence[int]) -> Decoded:
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
    schema = {**_no_readings().schema, "event_time": pl.String()}
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
            found.append((index, f"not JSON: {_short(error)}"))
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
            return f"unknown field {_short(name)}"
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            return f"{name} has the wrong type"
    quality = reading.get("quality")
    if quality is not None and not -32768 <= quality <= 32767:
        return "quality is not between -32768 and 32767"
    return None


def _short(what: object) -> str:
    return str(what).replace("\n", " ")[:120]
