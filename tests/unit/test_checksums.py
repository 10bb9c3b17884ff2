"""Checksums notice what changed and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.checksums import TextKeys, row_checksums, signed, text_keys

# Checksums are kept: a change of this number breaks every balance of rows that are already there.
KNOWN = 9_364_991_403_600_966_225
ROWS = pl.DataFrame(
    {
        "sensor": ["a", "a", "b"],
        "unit": ["C", None, "C"],
        "offset": [1, 2, 3],
        "quality": [None, 1, 2],
        "value": [0.5, -0.0, 1e300],
        "at": [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)],
    },
    schema_overrides={"quality": pl.Int16, "at": pl.Datetime("us", "UTC")},
)


def total(rows: pl.DataFrame) -> int:
    sums = row_checksums(rows, texts=[["sensor", "unit"]], numbers=["offset", "quality", "value", "at"])
    return sum(sums.to_list()) % 2**64


def test_the_order_of_rows_does_not_matter() -> None:
    assert total(ROWS) == total(ROWS.reverse()) == total(pl.concat([ROWS[2:], ROWS[:2]]))


def test_every_column_of_every_row_matters() -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    changed = {"sensor": "c", "unit": "F", "offset": 9, "quality": 7, "value": 0.25, "at": at}
    for row in range(ROWS.height):
        for name, value in changed.items():
            here = pl.int_range(pl.len()) == row
            other = ROWS.with_columns(
                pl.when(here).then(pl.lit(value, ROWS.schema[name])).otherwise(pl.col(name)).alias(name)
            )
            assert total(other) != total(ROWS), (row, name)
    assert total(ROWS[:2]) != total(ROWS)


def test_values_of_two_rows_that_change_places_are_noticed() -> None:
    assert total(ROWS.with_columns(value=pl.Series([-0.0, 0.5, 1e300]))) != total(ROWS)


def test_a_null_is_neither_zero_nor_empty() -> None:
    assert total(ROWS.with_columns(pl.col("quality").fill_null(0))) != total(ROWS)
    assert total(ROWS.with_columns(pl.col("unit").fill_null(""))) != total(ROWS)


def test_the_sum_is_the_same_for_ever() -> None:
    assert total(ROWS) == KNOWN


@given(st.integers(0, 2**64 - 1))
def test_a_sum_fits_postgres_and_comes_back(checksum: int) -> None:
    assert -(2**63) <= signed(checksum) < 2**63
    assert signed(checksum) % 2**64 == checksum


@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.text()), min_size=1))
def test_texts_that_differ_have_different_keys(rows: list[tuple[str | None, str | None]]) -> None:
    keys = text_keys(pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row"), ["a", "b"])
    assert len(set(keys.to_list())) == len(set(rows))


def test_remembered_keys_are_the_same_as_new_ones() -> None:
    keys = TextKeys(["sensor", "unit"])
    for rows in (ROWS[:2], ROWS, ROWS.reverse(), ROWS.clear()):
        assert keys(rows).get_column("key").to_list() == text_keys(rows, ["sensor", "unit"]).to_list()


@given(st.lists(st.tuples(st.none() | st.text(max_size=2), st.none() | st.text(max_size=2)), min_size=1))
def test_rows_have_the_same_number_when_their_texts_are_the_same(rows: list[tuple[str | None, str | None]]) -> None:
    keys = TextKeys(["a", "b"])
    for half in (rows[: len(rows) // 2], rows):
        numbers = keys(pl.DataFrame(half, schema={"a": pl.String, "b": pl.String}, orient="row")).get_column("number")
        assert len(set(zip(half, numbers, strict=True))) == len(set(half)) == numbers.n_unique()


def test_keys_that_are_too_many_to_remember_are_still_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.checksums._MOST_KNOWN", 2)
    keys = TextKeys(["sensor", "unit"])
    for rows in (ROWS[:2], ROWS[1:], ROWS):
        assert keys(rows).get_column("key").to_list() == text_keys(rows, ["sensor", "unit"]).to_list()
