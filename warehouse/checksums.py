"""Order-free checksums of rows: which rows they are and what they say.

Each row becomes 64 bits; their sum modulo 2^64 says whether two tables hold the same rows, in whatever order. The
bits are the same on every machine and with every version of the libraries: sums are kept for as long as the rows.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

import sensorhouse.arrays  # noqa: F401  polars finds numpy

# Odd, and half of its bits set: the golden ratio's fraction, as in splitmix64 (Steele, Lea, Flood 2014).
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_MOST_KNOWN = 1_000_000
# Stands for null: no likely value.
_NULL = -7_046_029_254_386_353_131


def row_checksums(
    rows: pl.DataFrame, *, keys: Sequence[pl.Series] = (), texts: Sequence[Sequence[str]], numbers: Sequence[str]
) -> pl.Series:
    """A UInt64 per row, of these columns.

    `texts` are groups of text or binary columns, each group hashed as one, once per distinct row of it: put together
    what comes together. `keys` are such groups' keys that are known already, and come before them. `numbers` are
    integers, floats, dates or times; null differs from every likely value.
    """
    checksum = np.zeros(rows.height, np.uint64)
    for key in keys:
        checksum = _mixed(checksum, key.to_numpy())
    for group in texts:
        checksum = _mixed(checksum, text_keys(rows, group).to_numpy())
    for name in numbers:
        checksum = _mixed(checksum, _bits(rows.get_column(name)))
    return pl.Series("checksum", checksum)


def text_keys(rows: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """A UInt64 per row: 64 bits of blake2b of the named text or binary columns together."""
    columns = rows.select(names)
    if all(column.null_count() == rows.height for column in columns):
        return pl.repeat(_key([None] * len(names)), rows.height, dtype=pl.UInt64, eager=True)
    distinct = columns.unique()
    keys = distinct.with_columns(pl.Series("key", [_key(row) for row in distinct.iter_rows()], pl.UInt64))
    return columns.join(keys, on=list(names), how="left", nulls_equal=True, maintain_order="left").get_column("key")


class TextKeys:
    """The same keys as `text_keys`, remembered, as the same texts come in every slice; safe for several threads."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._known = pl.DataFrame(schema={**dict.fromkeys(names, pl.String), "key": pl.UInt64, "number": pl.UInt32})
        self._numbered = 0
        self._learning = threading.Lock()

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Per row `key`, and `number`: never the same for other texts, and the same for these while remembered."""
        found = self.find(rows)
        return found if found.get_column("key").null_count() == 0 else self._learn(rows)

    def find(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The same, but null for texts that are not remembered."""
        return self._look_up(rows, self._known)

    def _learn(self, rows: pl.DataFrame) -> pl.DataFrame:
        distinct = rows.select(self._names).unique()
        with self._learning:
            known = self._known
            new = distinct.join(known, on=self._names, how="anti", nulls_equal=True)
            if known.height and known.height + new.height > _MOST_KNOWN:
                # Whoever sends ever new texts costs time, not memory.
                known, new = known.clear(), distinct
            numbers = pl.int_range(self._numbered, self._numbered + new.height, dtype=pl.UInt32)
            keyed = new.with_columns(text_keys(new, self._names).alias("key"), number=numbers)
            self._numbered += new.height
            self._known = known = pl.concat([known, keyed], rechunk=True)
        return self._look_up(rows, known)

    def _look_up(self, rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        texts = rows.select(self._names)
        joined = texts.join(known, on=self._names, how="left", nulls_equal=True, maintain_order="left")
        return joined.select("key", "number")


def signed(checksum: int) -> int:
    """A sum modulo 2^64 as Postgres' bigint holds it."""
    return (checksum + (1 << 63)) % (1 << 64) - (1 << 63)


def _key(row: Sequence[str | bytes | None]) -> int:
    digest = blake2b(digest_size=8)
    for value in row:
        content = value.encode() if isinstance(value, str) else value
        # The length first, so that no two rows read the same; -1 for null.
        digest.update((-1 if content is None else len(content)).to_bytes(8, "little", signed=True))
        digest.update(content or b"")
    return int.from_bytes(digest.digest(), "little")


def _mixed(checksum: NDArray[np.uint64], bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = (checksum ^ bits) * _MULTIPLIER
    return mixed ^ (mixed >> _SHIFT)


def _bits(numbers: pl.Series) -> NDArray[np.uint64]:
    if numbers.dtype.is_float():
        whole = pl.Series(numbers.fill_null(0.0).cast(pl.Float64).to_numpy().view(np.int64))
    else:
        whole = numbers.to_physical().cast(pl.Int64)
    if numbers.null_count():
        whole = pl.select(pl.when(numbers.is_not_null()).then(whole).otherwise(_NULL)).to_series()
    return whole.to_numpy().view(np.uint64)
