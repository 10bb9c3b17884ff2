"""Two writers of staged rows that looked at the same rows: one commits, the other looks again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from sensorhouse.errors import DependencyDown
from sensors_io.lake import Lake
from sensors_io.staged_table import Change, How, write

DAY = date(2026, 11, 20)
SCHEMA = pl.Schema({"sensor_id": pl.String(), "value": pl.Float64(), "day": pl.Date(), "sensor_type": pl.String()})


def rows(*sensors: str, value: float = 1.0) -> pl.DataFrame:
    return pl.DataFrame([(sensor, value, DAY, "temperature") for sensor in sensors], schema=SCHEMA, orient="row")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path))
    made.create("readings", SCHEMA, partition_by=["day", "sensor_type"])
    return made


def put(lake: Lake, new: pl.DataFrame, how: How, *, meanwhile: pl.DataFrame | None = None) -> int:
    """Write what is not there yet; `meanwhile` is written by another between the first look and its commit."""
    looks = 0

    def make(there: pl.LazyFrame) -> Change:
        nonlocal looks
        looks += 1
        found = there.collect()
        if meanwhile is not None and looks == 1:
            put(lake, meanwhile, How.APPEND)
        missing = new.join(found, on="sensor_id", how="anti")
        if how is How.REPLACE:
            return Change(pl.concat([found, missing]), how, "sensor_type = 'temperature' and day in ('2026-11-20')")
        return Change(missing if how is How.APPEND else new, how, "target.sensor_type = 'temperature'")

    write(lake, "readings", "temperature", make, on=("sensor_id",))
    return looks


@pytest.mark.parametrize("how", list(How))
def test_a_writer_that_was_overtaken_looks_again(lake: Lake, how: How) -> None:
    assert put(lake, rows("a"), How.APPEND) == 1
    assert put(lake, rows("a", "b", "c"), how, meanwhile=rows("b")) == 2
    assert sorted(lake.scan("readings").collect().get_column("sensor_id")) == ["a", "b", "c"]


def test_a_merge_takes_the_place_of_rows_and_adds_others(lake: Lake) -> None:
    put(lake, rows("a", "b"), How.APPEND)
    put(lake, rows("b", "c", value=2.0), How.MERGE)
    found = lake.scan("readings").sort("sensor_id").select("sensor_id", "value").collect()
    assert found.rows() == [("a", 1.0), ("b", 2.0), ("c", 2.0)]


def test_nothing_to_append_makes_no_version(lake: Lake) -> None:
    put(lake, rows("a"), How.APPEND)
    version = lake.table("readings").version()
    put(lake, rows("a"), How.APPEND)
    assert lake.table("readings").version() == version


def test_a_writer_that_is_always_overtaken_gives_up(lake: Lake) -> None:
    turn = 0

    def make(_: pl.LazyFrame) -> Change:
        nonlocal turn
        turn += 1
        put(lake, rows(f"other-{turn}"), How.APPEND)
        return Change(rows("mine"), How.APPEND, "")

    with pytest.raises(DependencyDown):
        write(lake, "readings", "temperature", make, on=("sensor_id",))
    assert "mine" not in lake.scan("readings").collect().get_column("sensor_id")
