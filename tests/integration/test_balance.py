"""The balance closes, and notices whatever does not."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from infra import cli
from sensorhouse.settings import Settings
from sensors_io.balance import Balance, balance
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.readings import NOON, feeds, lake_rows, many, publish, publish_readings, reading, warehouse_rows
from warehouse.database import connect


@pytest.fixture
def drained(settings: Settings) -> Settings:
    """A topic that was drained into both sinks: readings, with and without optional columns, and two dead letters."""
    brisk = settings.model_copy(update={"linger_s": 0.0, "slice_rows": 50, "lake_flush_s": 0.0})
    readings = [*many(300), reading("p", quality=3, station="s", attributes={"a": 1}), reading("q")]
    publish_readings(brisk, readings, per_message=1)
    publish(brisk, brisk.readings_topic, [(b"broken", 0), (b"{}", 1)])
    drain(brisk, feeds(brisk)["readings"], open_lake(brisk), run_id="test")
    return brisk


def full(settings: Settings) -> Balance:
    return balance(settings, feeds(settings)["readings"], open_lake(settings), full=True)


def where(found: Balance) -> set[str]:
    assert found.audited
    return {one.where for one in found.audited.apart}


def change(settings: Settings, statement: str) -> None:
    with connect(settings.database_url) as connection:
        assert connection.execute(statement).rowcount > 0  # type: ignore[arg-type]


def rewrite_lake(settings: Settings, table: str, rows: pl.DataFrame) -> None:
    handle = open_lake(settings).table(table)
    write_deltalake(handle, rows.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="overwrite")


def test_what_was_drained_balances(drained: Settings) -> None:
    found = full(drained)
    assert found.differences == {}
    assert (found.rows, found.dead_letters, found.lake_rows, found.warehouse_rows) == (302, 2, 302, 302)
    assert found.audited
    assert found.audited.in_kafka == 304


def test_a_row_deleted_from_the_warehouse_is_found_to_its_slice(drained: Settings) -> None:
    ((offset, partition),) = warehouse_rows(
        drained, "select offsets[1], partition from reading_chunks where cardinality(offsets) = 1 limit 1"
    )
    change(drained, f"delete from reading_chunks where offsets = array[{offset}::bigint] and partition = {partition}")
    found = full(drained)
    assert found.differences["decoded but not in the warehouse"] == 1
    assert found.audited
    (apart,) = found.audited.apart
    assert (apart.where, apart.partition) == ("warehouse reading_chunks", partition)
    assert apart.start_offset <= offset < apart.end_offset
    assert apart.expected == apart.found + 1


def test_a_value_altered_in_the_warehouse_is_found(drained: Settings) -> None:
    change(
        drained,
        "update reading_chunks set readings[1] = readings[1] + 0.001"
        " where ctid = (select min(ctid) from reading_chunks)",
    )
    found = full(drained)
    assert where(found) == {"warehouse reading_chunks"}
    assert found.audited
    assert "other content" in str(found.audited.apart[0])
    assert balance(drained, feeds(drained)["readings"], open_lake(drained)).differences == {}


def test_a_row_deleted_from_the_lake_is_found(drained: Settings) -> None:
    rewrite_lake(drained, "raw_readings", lake_rows(drained, "raw_readings")[1:])
    found = full(drained)
    assert found.differences["decoded but not in the lake"] == 1
    assert where(found) == {"lake raw_readings"}


def test_a_value_altered_in_the_lake_is_found(drained: Settings) -> None:
    rows = lake_rows(drained, "raw_readings")
    first = pl.int_range(pl.len()) == 0
    rewrite_lake(drained, "raw_readings", rows.with_columns(value=pl.when(first).then(-1.0).otherwise("value")))
    assert where(full(drained)) == {"lake raw_readings"}


def test_a_row_doubled_beside_one_that_is_missing_is_found(drained: Settings) -> None:
    rows = lake_rows(drained, "raw_readings").sort("partition", "offset", "index")
    rewrite_lake(drained, "raw_readings", pl.concat([rows[1:], rows[1:2]]))
    assert where(full(drained)) == {"lake raw_readings"}


def test_an_altered_dead_letter_is_found(drained: Settings) -> None:
    change(drained, "update dead_letters set payload = 'brocken' where payload = 'broken'")
    assert where(full(drained)) == {"warehouse dead_letters"}


def test_a_slice_that_is_gone_from_the_ledger_s_history_is_a_gap(drained: Settings) -> None:
    change(
        drained,
        "delete from slices where (partition, start_offset) = (select partition, max(start_offset)"
        " from slices group by partition having count(*) > 1 limit 1)",
    )
    assert full(drained).differences["gaps between slices"] == 1


def test_cold_readings_are_missing_in_the_warehouse_alone_and_balance(settings: Settings) -> None:
    brisk = settings.model_copy(update={"linger_s": 0.0})
    publish_readings(brisk, [*many(50), *(reading("old", at=NOON.replace(year=2010, day=day)) for day in range(1, 11))])
    drain(brisk, feeds(brisk)["readings"], open_lake(brisk), run_id="test")
    found = full(brisk)
    assert (found.rows, found.cold, found.lake_rows, found.warehouse_rows) == (60, 10, 60, 50)
    assert found.differences == {}


def test_the_command_tells_and_its_status_is_the_verdict(
    drained: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, value in drained.as_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["balance", "--full"]) == 0
    assert "balances: every difference is 0" in capsys.readouterr().out
    change(drained, "delete from dead_letters where payload = 'broken'")
    assert cli.main(["balance", "readings", "--full"]) == 1
    told = capsys.readouterr().out
    assert "dead letters not in the warehouse: 1" in told
    assert "warehouse dead_letters: partition 0" in told
