"""`sensorhouse policy`: the order policy checked and told in plain words, and past orders decided by it again."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agent.policy import compiled
from agent.policy_names import unknown_names
from agent.policy_reading import OWN, read
from agent.policy_replay import Replayed, replay
from agent.policy_told import told
from sensorhouse.settings import Settings
from warehouse.database import connect
from warehouse.past_orders import customers, past_orders, products


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `policy check` and `policy replay`."""
    command = commands.add_parser("policy", help="the order policy: checked, explained, tried on past orders")
    kinds = command.add_subparsers(required=True, metavar="check|replay")
    checked = kinds.add_parser("check", help="whether a policy can be used, and what its rules say")
    _add_file(checked)
    checked.set_defaults(run=lambda settings, options: check(settings, options, _console()))
    replayed = kinds.add_parser("replay", help="which past orders a policy would have decided otherwise")
    _add_file(replayed)
    replayed.set_defaults(run=lambda settings, options: replay_orders(settings, options, _console()))


def check(settings: Settings, options: argparse.Namespace, console: Console) -> int:
    """Print what the rules say; a file with something to mend raises what to mend."""
    path = _chosen(settings, options)
    file = read(path)
    console.print(f"policy {file.version} in {path}: {len(file.rules)} rules", markup=False)
    for line in told(file):
        console.print(line, markup=False)
    return 0


def replay_orders(settings: Settings, options: argparse.Namespace, console: Console) -> int:
    """Print a line for each order that would be decided otherwise, and how many there are."""
    file = read(_chosen(settings, options))
    with connect(settings.database_url) as connection:
        who, what = customers(connection), products(connection)
        count, others = 0, []
        for one in replay(compiled(file), who, what, past_orders(connection)):
            count += 1
            if one.differs:
                others.append(one)
    for line in unknown_names(file, who, what):
        console.print(line, markup=False)
    if others:
        console.print(_table(others))
    told = f"{len(others):,} of {count:,} orders would be decided otherwise by policy {file.version}"
    console.print(": ".join([told, *_counts(others)]), markup=False)
    return 0


def _counts(others: list[Replayed]) -> list[str]:
    moves = Counter((one.order.first_status, one.would_be.status) for one in others)
    told = [
        f"{times:,} {now} by another rule" if was == now else f"{times:,} {now} instead of {was}"
        for (was, now), times in sorted(moves.items())
    ]
    return [", ".join(told)] if told else []


def _table(others: list[Replayed]) -> Table:
    drawn = Table("order", "customer", "sku", "quantity", "was", "would be", box=None, pad_edge=False)
    for one in others:
        order, now = one.order, one.would_be
        drawn.add_row(
            str(order.order_id),
            order.customer_id,
            order.sku,
            f"{order.quantity:,}",
            order.first_reason or order.first_status,
            now.reason or now.status,
        )
    return drawn


def _add_file(command: argparse.ArgumentParser) -> None:
    # Made absolute while the caller's folder is still the current one.
    told_path = "a policy's YAML file; without it, the one that the API decides by"
    command.add_argument("file", metavar="FILE", nargs="?", type=lambda text: Path(text).absolute(), help=told_path)


def _chosen(settings: Settings, options: argparse.Namespace) -> Path:
    chosen: Path = options.file or settings.policy_file or OWN
    return chosen


def _console() -> Console:
    # Into a file or another program, lines come whole.
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 240)
