"""What the demo counts: every table and topic before and after, and what the labelled failures came to."""

from __future__ import annotations

import time
from dataclasses import dataclass

from assets.series import PAST
from infra.demo.traffic import Recording, Sent
from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings
from sensors_io.balance import Balance, balance
from sensors_io.feeds import feeds
from sensors_io.lag import look
from sensors_io.lake import open_lake
from warehouse import changes, judged, marts, staged
from warehouse.database import connect
from warehouse.marts import Coverage
from warehouse.staged import StagedSums

LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Census:
    """Everything counted at one time, all rows looked at."""

    orders: Balance
    readings: Balance
    staged: StagedSums


@dataclass(frozen=True)
class Row:
    """One line of the demo's table: of what was sent in this run, how much is where."""

    what: str
    sent: int
    acknowledged: int
    in_kafka: int
    in_lake: int
    in_warehouse: int
    duplicates: int
    dead_lettered: int
    difference: int


def count(settings: Settings) -> Census:
    """Count it all; takes a second for each million readings or so."""
    lake = open_lake(settings)
    with connect(settings.database_url) as connection:
        declared = feeds(settings, sensor_types=staged.sensor_types(connection))
        sums = staged.sums(connection)
    orders, readings = (balance(settings, declared[name], lake, full=True) for name in ("orders", "readings"))
    return Census(orders, readings, sums)


def wait_until_settled(settings: Settings, *, within_s: float) -> None:
    """Wait until all is drained and every touched key refreshed and judged; raises `DependencyDown` if not in time."""
    deadline = time.monotonic() + within_s
    while waiting := _waiting(settings):
        _wait_on(deadline, f"after {within_s:.0f} s there still wait: {waiting}")


def wait_for_marts(settings: Settings, *, within_s: float) -> Coverage:
    """Wait until the marts hold every order and every staged reading, and say what they hold in the end."""
    deadline = time.monotonic() + within_s
    while True:
        with connect(settings.database_url) as connection:
            coverage = marts.coverage(connection)
        if coverage.is_complete or time.monotonic() > deadline:
            return coverage
        time.sleep(LOOK_EVERY_S)


def _waiting(settings: Settings) -> str:
    # Upstream first: what moves on between two looks is there at the later one.
    with connect(settings.database_url) as connection:
        unpublished = changes.unpublished(connection)
    lag = sum(look(settings, topic).messages for topic in (settings.orders_topic, settings.readings_topic))
    with connect(settings.database_url) as connection:
        touched = changes.touched(connection)
        unjudged = len(judged.due(connection, judge_s=0, past_days=PAST.days))
    waiting = {
        "events to publish": unpublished,
        "messages to drain": lag,
        "partition keys to refresh": touched,
        "partition keys to judge": unjudged,
    }
    return ", ".join(f"{number} {what}" for what, number in waiting.items() if number)


def _wait_on(deadline: float, late: str) -> None:
    if time.monotonic() > deadline:
        raise DependencyDown(f"{late}; `sensorhouse logs` and Dagster's UI tell why")
    time.sleep(LOOK_EVERY_S)


def rows(before: Census, after: Census, orders: Sent, readings: Sent) -> list[Row]:
    """The table: orders (as order events) and readings."""
    return [
        _row("order events", before.orders, after.orders, orders, duplicates=0, apart=0),
        _row(
            "readings",
            before.readings,
            after.readings,
            readings,
            duplicates=after.staged.duplicates - before.staged.duplicates,
            apart=after.readings.lake_rows - after.staged.raw,
        ),
    ]


def _row(what: str, before: Balance, after: Balance, sent: Sent, *, duplicates: int, apart: int) -> Row:
    dead = after.lake_dead_letters - before.lake_dead_letters
    in_kafka = _in_kafka(after) - _in_kafka(before)
    in_lake, in_warehouse = after.lake_rows - before.lake_rows, after.warehouse_rows - before.warehouse_rows
    differences = (
        sent.acknowledged + sent.broken - in_kafka,
        sent.acknowledged - in_lake,
        sent.acknowledged - in_warehouse,
        sent.broken - dead,
        sent.sent - sent.rejected - sent.acknowledged,
        apart,
        *after.differences.values(),
    )
    return Row(
        what=what,
        sent=sent.sent + sent.broken,
        acknowledged=sent.acknowledged,
        in_kafka=in_kafka,
        in_lake=in_lake,
        in_warehouse=in_warehouse,
        duplicates=duplicates,
        dead_lettered=dead,
        difference=max(map(abs, differences)),
    )


def _in_kafka(counted: Balance) -> int:
    return counted.audited.in_kafka if counted.audited else 0


@dataclass(frozen=True)
class Found:
    """Of one sensor: how many labelled windows there are, and how many of them an episode meets."""

    sensor_id: str
    labelled: int
    found: int


def failures_found(settings: Settings, recordings: list[Recording]) -> list[Found]:
    """Hold the episodes that stand against the labelled windows of the recordings."""
    found = []
    with connect(settings.database_url) as connection:
        for one in recordings:
            spans = judged.spans(connection, one.sensor_id)
            hit = sum(any(start <= label.end and end >= label.start for start, end in spans) for label in one.windows)
            found.append(Found(one.sensor_id, len(one.windows), hit))
    return found
