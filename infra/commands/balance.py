"""`sensorhouse balance`: whether Kafka, lake and warehouse hold the same, counted from the tables themselves."""

from __future__ import annotations

import argparse
import time

from rich.console import Console
from rich.table import Table

from sensorhouse.settings import Settings
from sensors_io.balance import Balance, balance
from sensors_io.feeds import feeds
from sensors_io.lake import open_lake
from warehouse import staged
from warehouse.database import connect

MOST_RANGES = 50


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `balance`."""
    command = commands.add_parser(
        "balance", help="whether Kafka, lake and warehouse hold the same; exit status 1 unless every difference is 0"
    )
    command.add_argument("topic", nargs="?", choices=("orders", "readings"), help="one of the two; else both")
    command.add_argument(
        "--full", action="store_true", help="look at every row again, Kafka's too, and name the offsets that differ"
    )
    command.set_defaults(run=run)


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print it; 0 when all agrees. What is still being drained is told, but is no difference."""
    began = time.monotonic()
    lake = open_lake(settings)
    with connect(settings.database_url) as connection:
        declared = feeds(settings, sensor_types=staged.sensor_types(connection))
    names = [options.topic] if options.topic else list(declared)
    found = [balance(settings, declared[name], lake, full=options.full) for name in names]
    console = Console(highlight=False, soft_wrap=True)
    console.print(table(found))
    wrong = [line for one in found for line in differences(one)]
    for line in wrong:
        console.print(f"[red]{line}[/]")
    how = "every row looked at" if options.full else "counted; --full looks at every row"
    verdict = "does NOT balance" if wrong else "balances: every difference is 0"
    console.print(f"{verdict} ({how}, {time.monotonic() - began:.1f} s)")
    return 1 if wrong else 0


def table(found: list[Balance]) -> Table:
    """A column for each topic."""
    drawn = Table("", *(one.topic for one in found), box=None, pad_edge=False)
    for column in drawn.columns[1:]:
        column.justify = "right"
    rows = {
        "messages read": [one.messages for one in found],
        "decoded: rows": [one.rows for one in found],
        "decoded: dead letters": [one.dead_letters for one in found],
        "lake: rows": [one.lake_rows for one in found],
        "lake: dead letters": [one.lake_dead_letters for one in found],
        "warehouse: rows": [one.warehouse_rows for one in found],
        "warehouse: dead letters": [one.warehouse_dead_letters for one in found],
        "  in the lake only: came cold": [one.cold for one in found],
        "  in the lake only: retired": [one.retired for one in found],
        "offsets not drained yet": [one.lag for one in found],
    }
    for name, numbers in rows.items():
        drawn.add_row(name, *(f"{number:,}" for number in numbers))
    return drawn


def differences(counted: Balance) -> list[str]:
    """What is wrong, a line each."""
    lines = [
        f"{counted.topic}: {name}: {count:,}"
        for name, count in counted.differences.items()
        if name != "messages not drained"
    ]
    apart = counted.audited.apart if counted.audited else ()
    lines += [f"{counted.topic}: {one}" for one in apart[:MOST_RANGES]]
    if len(apart) > MOST_RANGES:
        lines.append(f"{counted.topic}: and {len(apart) - MOST_RANGES:,} ranges more")
    return lines
