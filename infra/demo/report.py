"""What the demo tells at its end, and what of it is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from infra.demo.count import Found, Row
from infra.demo.shown import Shown
from infra.demo.traffic import Sent
from warehouse.marts import Coverage


@dataclass(frozen=True)
class Outcome:
    """Everything that one run of the demo sent, and what became of it."""

    orders: Sent
    readings: Sent
    rows: list[Row]
    revised: int
    covered: Coverage
    failures: list[Found]
    dashboards: Shown | None

    @property
    def wrong(self) -> list[str]:
        """What is not as it has to be; empty when all is well."""
        wrong = [f"{row.what}: a difference of {row.difference}" for row in self.rows if row.difference]
        wrong += [
            f"no order became {status}"
            for status in ("accepted", "pending_approval", "rejected", "shipped")
            if status not in self.orders.statuses
        ]
        duplicates = sum(row.duplicates for row in self.rows)
        if duplicates < self.readings.sent_twice:
            wrong.append(f"{self.readings.sent_twice} readings were sent twice, {duplicates} duplicates were counted")
        if not self.covered.is_complete:
            wrong.append("the marts lack some of it")
        if not any(one.found for one in self.failures):
            wrong.append("no labelled failure was found")
        if self.dashboards:
            wrong += [f"dashboards: {one}" for one in self.dashboards.wrong]
        return wrong


def tell(outcome: Outcome, console: Console) -> None:
    """Print it all."""
    console.print(_table(outcome.rows))
    statuses = ", ".join(f"{number} {name}" for name, number in sorted(outcome.orders.statuses.items()))
    sent, covered = outcome.readings, outcome.covered
    console.print(f"order events by status: {statuses}")
    console.print(
        f"readings sent twice: {sent.sent_twice}, refused by the API: {sent.rejected}, revised: {outcome.revised}"
    )
    console.print(
        f"marts: {covered.orders_in_marts:,} of {covered.orders:,} orders, "
        f"{covered.readings_in_marts:,} of {covered.readings:,} staged readings"
    )
    for one in outcome.failures:
        console.print(f"labelled failures of {one.sensor_id}: {one.found} of {one.labelled} found")
    if outcome.dashboards:
        console.print(f"dashboards: {outcome.dashboards.charts} charts with rows")
    for line in outcome.wrong:
        console.print(f"[red]wrong:[/] {line}")


def _table(rows: list[Row]) -> Table:
    drawn = Table("", title="\nwhat became of what was sent", title_justify="left", box=SIMPLE)
    for row in rows:
        drawn.add_column(row.what, justify="right")
    for name, numbers in (
        ("sent", [row.sent for row in rows]),
        ("acknowledged", [row.acknowledged for row in rows]),
        ("in Kafka", [row.in_kafka for row in rows]),
        ("in the lake", [row.in_lake for row in rows]),
        ("in the warehouse", [row.in_warehouse for row in rows]),
        ("duplicates among them", [row.duplicates for row in rows]),
        ("dead-lettered", [row.dead_lettered for row in rows]),
        ("difference", [row.difference for row in rows]),
    ):
        drawn.add_row(name, *(f"{number:,}" for number in numbers))
    return drawn
