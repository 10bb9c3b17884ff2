"""The verdict: both sinks against what was sent, row by row, and the full balance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from sensorhouse.errors import DependencyDown, Fenced
from sensorhouse.settings import Settings
from sensors_io.balance import balance
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from tests.faults.workload import Sendings
from tests.readings import lake_rows, readings_of, warehouse_rows
from tests.waiting import wait_until
from tests.watched import forgotten

Position = tuple[int, int, int]


@dataclass(frozen=True)
class Verdict:
    """Counts of one test, over both sinks; all but the first are 0 when nothing was lost and nothing added.

    `forgotten` are partitions whose online detector skipped a reading, or saw one twice.
    """

    acknowledged: int
    lost: int
    doubled: int
    never_sent: int
    apart: int
    dead_letters_wrong: int
    forgotten: int
    differences: dict[str, object]

    @property
    def is_good(self) -> bool:
        """Whether every acknowledged reading is there once, in both sinks, and nothing else is."""
        wrong = (self.lost, self.doubled, self.never_sent, self.apart, self.dead_letters_wrong, self.forgotten)
        return self.acknowledged > 0 and not any(wrong) and not self.differences


def drain_quietly(settings: Settings, within_s: float = 60) -> None:
    """Drain until the topic's end with nothing going wrong; waits while a drain that ends still holds its lock."""

    def is_caught_up() -> bool:
        try:
            drained = drain(settings, readings_of(settings), open_lake(settings), run_id="quiet")
        except (DependencyDown, Fenced):
            return False
        assert not drained.truncated
        return drained.refused is None

    wait_until(is_caught_up, "a quiet drain gets through", within_s)


def verify(settings: Settings, sendings: Sendings) -> Verdict:
    """Compare what was sent with what is there."""
    lake, warehouse = _lake_readings(settings), _warehouse_readings(settings)
    dead_lake, dead_warehouse = _lake_dead(settings), _warehouse_dead(settings)
    sent, unknown = sendings.readings, {number for one in sendings.unknown for number in one.numbers}
    counted = balance(settings, readings_of(settings), open_lake(settings), full=True)
    return Verdict(
        acknowledged=len(sent),
        lost=_lost(sent, lake) + _lost(sent, warehouse),
        doubled=_doubled(lake) + _doubled(warehouse),
        never_sent=_never_sent(sent, unknown, lake) + _never_sent(sent, unknown, warehouse),
        apart=_difference(lake, warehouse) + _difference(dead_lake, dead_warehouse),
        dead_letters_wrong=_wrong(sendings, dead_lake) + _wrong(sendings, dead_warehouse),
        forgotten=forgotten(settings),
        differences=dict(counted.differences),
    )


Rows = Counter[tuple[Position, float]]
Row = TypeVar("Row")


def _lost(sent: dict[Position, float], held: Rows) -> int:
    return sum((position, number) not in held for position, number in sent.items())


def _doubled(held: Rows) -> int:
    return held.total() - len({position for position, _ in held})


def _never_sent(sent: dict[Position, float], unknown: set[float], held: Rows) -> int:
    """Rows that are neither an acknowledged reading nor one of which nobody heard whether it was kept."""
    return sum(sent.get(position) != number and number not in unknown for position, number in held)


def _wrong(sendings: Sendings, dead: Counter[Position]) -> int:
    """Dead letters missing, doubled, or of a message that can be taken."""
    positions = Counter((partition, offset) for partition, offset, _ in dead.elements())
    missing = sendings.dead - positions.keys()
    taken = sum(bool(sent.numbers) for at, sent in sendings.acknowledged.items() if at in positions)
    return len(missing) + taken + positions.total() - len(positions)


def _difference(one: Counter[Row], other: Counter[Row]) -> int:
    return ((one - other) + (other - one)).total()


def _lake_readings(settings: Settings) -> Rows:
    rows = lake_rows(settings, "raw_readings").select("partition", "offset", "index", "value")
    return Counter(((p, o, i), value) for p, o, i, value in rows.iter_rows())


def _warehouse_readings(settings: Settings) -> Rows:
    rows = warehouse_rows(settings, 'select partition, "offset", index, value from raw_readings')
    return Counter(((p, o, i), value) for p, o, i, value in rows)


def _lake_dead(settings: Settings) -> Counter[Position]:
    rows: pl.DataFrame = lake_rows(settings, "dead_letters").select("partition", "offset", "index")
    return Counter(rows.iter_rows())


def _warehouse_dead(settings: Settings) -> Counter[Position]:
    return Counter(warehouse_rows(settings, 'select partition, "offset", index from dead_letters'))
