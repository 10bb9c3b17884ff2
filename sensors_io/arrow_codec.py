"""Readings as Arrow streams: the form that uploads are carried in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.ipc

from sensors_io.arrow_frames import MOST_EXPANDED_BYTES, Claims, claims
from sensors_io.reading import ARROW_SCHEMA, READING, REJECTED, REQUIRED, Decoded, all_rejected, places, short
from sensors_io.reading_json import are_objects, as_json

_WRITE = pa.ipc.IpcWriteOptions(compression="lz4")
# A message holds a few hundred readings: handing its columns to a pool costs more than decompressing them.
_READ = pa.ipc.IpcReadOptions(use_threads=False)
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


@dataclass(frozen=True)
class _Stream:
    """One message that may be read: its place, its bytes and what they claim."""

    at: int
    message: bytes
    claims: Claims


def encode(readings: pl.DataFrame) -> bytes:
    """The columns of READING as an lz4-compressed Arrow stream."""
    sink = pa.BufferOutputStream()
    table = readings.select(READING.names()).rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).cast(ARROW_SCHEMA)
    with pa.ipc.new_stream(sink, ARROW_SCHEMA, options=_WRITE) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def decode_arrow(messages: Sequence[bytes], positions: Sequence[int]) -> Decoded:
    """Decode the messages at these positions; a stream is taken whole or not at all."""
    alike: dict[bytes, list[_Stream]] = {}
    rejected: list[tuple[int, str]] = []
    for at in positions:
        try:
            stream = _Stream(at, messages[at], claims(messages[at]))
        except ValueError as error:
            rejected.append((at, f"not a readable Arrow stream: {short(error)}"))
            continue
        alike.setdefault(stream.claims.schema, []).append(stream)
    read = [_read_alike(streams, rejected) for streams in alike.values()]
    lengths = [row for _, rows in read for row in rows]
    if not lengths:
        return all_rejected(rejected)
    readings = pl.DataFrame(pa.concat_tables([table for tables, _ in read for table in tables])).cast(READING)
    located = pl.DataFrame(places(*zip(*lengths, strict=True))).hstack(readings.rechunk())
    taken, without = _with_attributes(located)
    return Decoded(taken, pl.concat([all_rejected(rejected).rejected, without]))


def _with_attributes(readings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Those whose attributes are an object, or none; apart, as REJECTED, the others."""
    attributes = readings.get_column("attributes")
    if attributes.null_count() == readings.height:
        return readings, REJECTED.to_frame()
    wrong = ~are_objects(attributes).fill_null(True)
    bad = readings.filter(wrong)
    reason = pl.lit("attributes are no JSON object").alias("reason")
    return readings.filter(~wrong), bad.select("message", "index", reason, as_json(bad))


def _read_alike(
    streams: list[_Stream], rejected: list[tuple[int, str]]
) -> tuple[list[pa.Table], list[tuple[int, int]]]:
    """The rows of streams with one schema, and (message, rows) of each; all at once if all of them are right."""
    if len(streams) > 1 and not any(stream.claims.has_dictionaries for stream in streams):
        joined = [streams[0].claims.schema, *(stream.message[stream.claims.frames] for stream in streams), _END]
        try:
            table = _read(b"".join(joined), rows=sum(stream.claims.rows for stream in streams))
        except (pa.ArrowException, OSError, ValueError):
            pass
        else:
            return [table], [(stream.at, stream.claims.rows) for stream in streams]
    tables, lengths = [], []
    for stream in streams:
        try:
            tables.append(_read(stream.message, rows=stream.claims.rows))
            lengths.append((stream.at, tables[-1].num_rows))
        except (pa.ArrowException, OSError, ValueError) as error:
            rejected.append((stream.at, f"not a readable Arrow stream: {short(error)}"))
    return tables, lengths


def _read(message: bytes, *, rows: int) -> pa.Table:
    with pa.ipc.open_stream(message, options=_READ) as stream:
        schema = stream.schema
        as_ours = schema.equals(ARROW_SCHEMA)
        if not as_ours:
            _check_columns(schema)
        table = stream.read_all().replace_schema_metadata(None).combine_chunks()
    table.validate(full=True)
    if table.num_rows != rows:
        raise ValueError(f"{table.num_rows} readings, not {rows}")
    if as_ours:
        return table
    nothing = pa.chunked_array([pa.nulls(table.num_rows)])
    columns = [table.column(f.name) if f.name in schema.names else nothing for f in ARROW_SCHEMA]
    return pa.table(
        [_as(column, field.type) for column, field in zip(columns, ARROW_SCHEMA, strict=True)], schema=ARROW_SCHEMA
    )


def _as(column: pa.ChunkedArray[Any], wanted: pa.DataType) -> pa.ChunkedArray[Any]:
    """The column in our own type; raises where a value doesn't fit."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Finer than we keep: cut, as JSON's times are.
        return column.cast(wanted, safe=False)
    if pa.types.is_dictionary(column.type) or pa.types.is_string_view(column.type):
        _check_unfolded(column)
    return column.cast(wanted)


def _check_unfolded(column: pa.ChunkedArray[Any]) -> None:
    """Refuse text that many rows share when it would be too much once each row has its own."""
    size = 0.0
    for chunk in column.chunks:
        if isinstance(chunk, pa.DictionaryArray):
            size += float(_lengths(chunk.dictionary).gather(pl.Series(chunk.indices)).sum())
        else:
            size += float(_lengths(chunk).sum())
    if size > MOST_EXPANDED_BYTES:
        raise ValueError(f"it expands to more than {MOST_EXPANDED_BYTES} bytes")


def _lengths(text: pa.Array[Any]) -> pl.Series:
    return pl.Series(text, dtype=pl.String).str.len_bytes()


def _check_columns(schema: pa.Schema) -> None:
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("a column comes twice")
    for field in schema:
        if field.name not in ARROW_SCHEMA.names:
            raise ValueError(f"unknown column {short(field.name)}")
        wanted = ARROW_SCHEMA.field(field.name).type
        fits = (
            pa.types.is_timestamp(field.type) and field.type.tz is not None
            if pa.types.is_timestamp(wanted)
            else pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
            if pa.types.is_floating(wanted)
            else pa.types.is_integer(field.type)
            if pa.types.is_integer(wanted)
            else _is_text(field.type)
        ) or (pa.types.is_null(field.type) and field.name not in REQUIRED)
        if not fits:
            raise ValueError(f"column {field.name} is {field.type}, not {wanted}")
    missing = [name for name in REQUIRED if name not in schema.names]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
