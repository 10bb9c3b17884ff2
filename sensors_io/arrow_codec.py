"""Readings as Arrow streams: the form that uploads are carried in."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa
import pyarrow.ipc

from sensors_io.reading import ARROW_SCHEMA, READING, REJECTED, REQUIRED, WHOLE_MESSAGE, Decoded, all_rejected, short

_MOST_ROWS = 1_000_000
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4")


def encode(readings: pl.DataFrame) -> bytes:
    """The columns of READING as an lz4-compressed Arrow stream."""
    sink = pa.BufferOutputStream()
    table = readings.select(READING.names()).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(ARROW_SCHEMA)
    with pa.ipc.new_stream(sink, ARROW_SCHEMA, options=_WRITE) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def decode_arrow(messages: Sequence[bytes], positions: Sequence[int]) -> Decoded:
    """Decode the messages at these positions; a stream is taken whole or not at all."""
    tables: list[pa.Table] = []
    lengths: list[tuple[int, int]] = []
    rejected: list[tuple[int, int, str]] = []
    for at in positions:
        try:
            table = _read_arrow(messages[at])
        except (pa.ArrowException, OSError, ValueError) as error:
            rejected.append((at, WHOLE_MESSAGE, f"not a readable Arrow stream: {short(error)}"))
            continue
        tables.append(table)
        lengths.append((at, table.num_rows))
    if not tables:
        return all_rejected(rejected)
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
        if not schema.equals(ARROW_SCHEMA):
            _check_columns(schema)
        table = stream.read_all()
    table.validate(full=True)
    if table.num_rows > _MOST_ROWS:
        raise ValueError(f"more than {_MOST_ROWS} readings")
    if schema.equals(ARROW_SCHEMA):
        return table
    nothing = pa.nulls(table.num_rows)
    columns = [table.column(f.name) if f.name in schema.names else nothing for f in ARROW_SCHEMA]
    return pa.table(
        [column.cast(field.type) for column, field in zip(columns, ARROW_SCHEMA, strict=True)], schema=ARROW_SCHEMA
    )


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
