"""Readings as JSON again, each alone, for the dead letters of those that were refused."""

from __future__ import annotations

import orjson
import polars as pl

from sensors_io.reading import READING

_PLAIN = tuple(name for name in READING if name not in ("event_time", "value", "attributes"))
_YEARS_THAT_HAVE_FOUR_DIGITS = (-62_135_596_800_000_000, 253_402_300_800_000_000)


def as_json(readings: pl.DataFrame) -> pl.Series:
    """A column `payload`: each row's READING as one JSON object; event_time may still be text."""
    parts = [
        pl.struct(_PLAIN).struct.json_encode().str.strip_suffix("}"),
        pl.lit(',"event_time":'),
        _quoted(_time(readings.schema["event_time"])),
        pl.lit(',"value":'),
        # JSON has no other numbers than finite ones.
        pl.when(pl.col("value").is_finite())
        .then(_json(pl.col("value")))
        .otherwise(_quoted(pl.col("value").cast(pl.String))),
        _attributes(),
        pl.lit("}"),
    ]
    is_object = are_objects(readings.get_column("attributes")).alias("is_object")
    # One chunk a column: polars panics when it formats columns that are chunked differently.
    told = readings.select(READING.names()).with_columns(is_object).rechunk()
    return told.select(payload=pl.concat_str(parts).cast(pl.Binary)).to_series()


def are_objects(texts: pl.Series) -> pl.Series:
    """Of each text, whether it is a JSON object; null where there is none."""
    return pl.Series([None if text is None else _is_object(text) for text in texts], dtype=pl.Boolean)


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _attributes() -> pl.Expr:
    """As they are, or quoted where they are no JSON."""
    text = pl.col("attributes")
    embedded = pl.when("is_object").then(text).otherwise(_json(text))
    return pl.when(text.is_null()).then(pl.lit("")).otherwise(pl.format(',"attributes":{}', embedded))


def _time(kind: pl.DataType) -> pl.Expr:
    """As text; as a number of microseconds where no calendar reaches."""
    time = pl.col("event_time")
    if kind == pl.String():
        return time
    first, last = _YEARS_THAT_HAVE_FOUR_DIGITS
    microseconds = time.to_physical()
    within = (microseconds >= first) & (microseconds < last)
    return (
        pl.when(within)
        .then(pl.when(within).then(time).dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ"))
        .otherwise(microseconds.cast(pl.String))
    )


def _quoted(text: pl.Expr) -> pl.Expr:
    return pl.when(text.is_null()).then(pl.lit("null")).otherwise(_json(text))


def _json(value: pl.Expr) -> pl.Expr:
    """One value as JSON has it."""
    return pl.struct(value.alias("v")).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
