"""One row taken away, or one value altered, in either sink: the full balance sees it, and where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString

import pytest

from sensorhouse.settings import Settings
from sensors_io.audit import Apart
from sensors_io.balance import Balance, balance
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.readings import many, publish, publish_readings, readings_of, warehouse_rows
from warehouse.database import connect

COUNT = 1_500
LOST = 777
"""The value of the reading that is harmed; its number too."""


@pytest.fixture
def kept(small: Settings) -> Settings:
    """Settings whose sinks hold readings in several slices, and two dead letters, without a difference."""
    brisk = small.model_copy(update={"linger_s": 0.0, "slice_rows": 100, "lake_flush_s": 0.0})
    publish_readings(brisk, many(COUNT), per_message=1)
    publish(brisk, brisk.readings_topic, [(b"broken", 0), (b"{}", 1)])
    drain(brisk, readings_of(brisk), open_lake(brisk), run_id="test")
    assert counted(brisk).differences == {}
    return brisk


def counted(settings: Settings) -> Balance:
    return balance(settings, readings_of(settings), open_lake(settings), full=True)


def change(settings: Settings, statement: LiteralString) -> None:
    """Change exactly one row of Postgres, by hand."""
    with connect(settings.database_url) as connection:
        assert connection.execute(statement).rowcount == 1


def delete_from_lake(settings: Settings) -> None:
    done = open_lake(settings).table("raw_readings").delete(f"value = {LOST}")
    assert done["num_deleted_rows"] == 1


def alter_in_lake(settings: Settings) -> None:
    done = open_lake(settings).table("raw_readings").update({"value": "value + 0.5"}, predicate=f"value = {LOST}")
    assert done["num_updated_rows"] == 1


def move_in_lake(settings: Settings) -> None:
    table = open_lake(settings).table("raw_readings")
    done = table.update({"event_time": "event_time + interval '1' second"}, predicate=f"value = {LOST}")
    assert done["num_updated_rows"] == 1


def delete_dead_letter_from_lake(settings: Settings) -> None:
    done = open_lake(settings).table("dead_letters").delete("partition = 1")
    assert done["num_deleted_rows"] == 1


def alter_dead_letter_in_lake(settings: Settings) -> None:
    done = open_lake(settings).table("dead_letters").update({"reason": "'fine'"}, predicate="partition = 1")
    assert done["num_updated_rows"] == 1


def delete_from_warehouse(settings: Settings) -> None:
    arrays = ("event_times", "readings", "qualities", "stations", "attributes", "offsets", "indexes", "ingested_ats")
    shorter = ", ".join(f"{name} = {name}[:at - 1] || {name}[at + 1:]" for name in arrays)
    with connect(settings.database_url) as connection:
        done = connection.execute(
            f"with found as (select ctid as row, array_position(readings, {LOST}) as at from reading_chunks)"
            f" update reading_chunks set {shorter} from found where ctid = row and at is not null"
        )
        assert done.rowcount == 1


def alter_in_warehouse(settings: Settings) -> None:
    change(
        settings,
        "update reading_chunks set readings = array_replace(readings, 777, 777.5) where 777 = any (readings)",
    )


def move_in_warehouse(settings: Settings) -> None:
    change(
        settings,
        "update reading_chunks"
        " set event_times[array_position(readings, 777)] = event_times[array_position(readings, 777)] + interval '1 s'"
        " where 777 = any (readings)",
    )


def delete_dead_letter_from_warehouse(settings: Settings) -> None:
    change(settings, "delete from dead_letters where partition = 1")


def alter_dead_letter_in_warehouse(settings: Settings) -> None:
    change(settings, "update dead_letters set reason = 'fine' where partition = 1")


def place_of_reading(settings: Settings) -> tuple[int, int]:
    [place] = warehouse_rows(settings, f'select partition, "offset" from raw_readings where value = {LOST}')
    return place


def place_of_dead_letter(settings: Settings) -> tuple[int, int]:
    [place] = warehouse_rows(settings, 'select partition, "offset" from dead_letters where partition = 1')
    return place


Place = Callable[[Settings], tuple[int, int]]


@pytest.mark.long
@pytest.mark.parametrize(
    ("harm", "place", "where", "missing"),
    [
        (delete_from_lake, place_of_reading, "lake raw_readings", 1),
        (alter_in_lake, place_of_reading, "lake raw_readings", 0),
        (move_in_lake, place_of_reading, "lake raw_readings", 0),
        pytest.param(
            delete_dead_letter_from_lake, place_of_dead_letter, "lake dead_letters", 1, marks=pytest.mark.long
        ),
        (alter_dead_letter_in_lake, place_of_dead_letter, "lake dead_letters", 0),
        (delete_from_warehouse, place_of_reading, "warehouse reading_chunks", 1),
        (alter_in_warehouse, place_of_reading, "warehouse reading_chunks", 0),
        (move_in_warehouse, place_of_reading, "warehouse reading_chunks", 0),
        pytest.param(
            delete_dead_letter_from_warehouse, place_of_dead_letter, "warehouse dead_letters", 1, marks=pytest.mark.long
        ),
        pytest.param(
            alter_dead_letter_in_warehouse, place_of_dead_letter, "warehouse dead_letters", 0, marks=pytest.mark.long
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_the_full_balance_sees_one_row_harmed_and_where(
    kept: Settings, harm: Callable[[Settings], None], place: Place, where: str, missing: int
) -> None:
    partition, offset = place(kept)
    harm(kept)
    found = counted(kept)
    assert found.differences["slices of which a table holds something else"] == 1
    assert found.audited
    [apart] = found.audited.apart
    assert (apart.where, apart.partition) == (where, partition)
    assert apart.start_offset <= offset < apart.end_offset
    assert apart.expected - apart.found == missing
    assert is_narrow(apart)


def is_narrow(apart: Apart) -> bool:
    """Whether the range is one slice's, not the topic's."""
    return apart.end_offset - apart.start_offset <= 100
