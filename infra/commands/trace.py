"""`sensorhouse trace`: where an upload or an order is by now, from Kafka to the marts."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from uuid import UUID

from rich.console import Console
from rich.table import Table

from sensorhouse.settings import Settings
from sensors_io import receipts
from sensors_io.lake import open_lake
from sensors_io.trace import trace_order, trace_upload


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `trace`."""
    command = commands.add_parser("trace", help="where an upload (by its receipt) or an order (by its id) is by now")
    command.add_argument("id", metavar="RECEIPT | ORDER_ID", help="a receipt_id of POST /sensors/data, or an order_id")
    command.set_defaults(run=run)


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print a line for each message or event; 0 when all of it has arrived, else 1."""
    try:
        drawn, arrived = _order(settings, UUID(options.id))
    except ValueError:
        drawn, arrived = _upload(settings, options.id)
    Console(highlight=False, soft_wrap=True).print(drawn)
    return 0 if arrived else 1


def _upload(settings: Settings, receipt_id: str) -> tuple[Table, bool]:
    receipt = receipts.read(receipt_id, settings.signing_key)
    found = trace_upload(settings, open_lake(settings), receipt)
    names = ("partition", "offset", "readings", "Kafka", "warehouse", "lake", "taken", "staged", "marts")
    drawn = _table(names, f"upload {receipt.upload_id}, times in UTC")
    for one in found:
        drawn.add_row(
            *map(str, (one.partition, one.offset, one.readings)),
            "yes" if one.is_in_kafka else "expired",
            _time(one.loaded_at),
            "-" if one.lake_version is None else str(one.lake_version),
            str(one.rows) if one.lake_version is not None else "-",
            _yes(one.is_staged),
            _yes(one.is_in_marts),
        )
    return drawn, all(one.is_staged for one in found)


def _order(settings: Settings, order_id: UUID) -> tuple[Table, bool]:
    found = trace_order(settings, order_id)
    names = ("version", "event", "published", "partition", "offset", "warehouse", "lake", "marts")
    drawn = _table(names, f"order {order_id}, times in UTC")
    for one in found:
        drawn.add_row(
            str(one.version),
            one.type,
            # The outbox drops what was published days ago.
            _time(one.published_at) if one.published_at or one.offset is None else "yes",
            *("-" if place is None else str(place) for place in (one.partition, one.offset)),
            _time(one.loaded_at),
            "-" if one.lake_version is None else str(one.lake_version),
            _yes(one.is_in_marts),
        )
    return drawn, all(one.lake_version is not None for one in found)


def _table(names: tuple[str, ...], title: str) -> Table:
    return Table(*names, title=title, title_justify="left", box=None, pad_edge=False)


def _time(at: datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone(UTC):%m-%d %H:%M:%S}"


def _yes(arrived: bool) -> str:
    return "yes" if arrived else "-"
