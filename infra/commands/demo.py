"""`sensorhouse demo`: real recordings and orders through every part, counted at the end."""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

from rich.console import Console

from infra.commands.up import down
from infra.demo import count, report, shown, traffic
from infra.demo.client import PASSWORD, Client
from infra.demo.report import Outcome
from infra.local import dagster, places, secrets, services, state
from sensorhouse.errors import PartDied
from sensorhouse.settings import Settings
from sensors_io.reading import ARROW
from warehouse import staged
from warehouse.accounts import seed_demo
from warehouse.database import connect

SETTLES_WITHIN_S = 240.0
# A demo is watched: smaller lake commits, today refreshed more often, a drain that waits for what comes next, and no
# sign-in to look.
PACE = {"lake_flush_s": 3.0, "linger_s": 30.0, "refresh_s": 5.0, "judge_s": 30.0, "dashboard_sign_in": False}
EVERY_S = 1.0
ORDER_EVERY_S = 7


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `demo`."""
    command = commands.add_parser("demo", help="real recordings and orders through every part, counted at the end")
    command.add_argument(
        "--once", action="store_true", help="end everything afterwards; exit status 1 if anything is off"
    )
    command.set_defaults(run=lambda settings, options: demo(settings, once=options.once))


def demo(settings: Settings, *, once: bool) -> int:
    """Run it; 0 when every difference is 0 and nothing is missing."""
    console = Console(highlight=False, soft_wrap=True)
    # Also where a shell started us in the background, with Ctrl-C switched off.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    began = time.monotonic()
    settings = settings.model_copy(update=PACE)
    was_running = state.running(settings) is not None
    if not was_running:
        _up(settings)
    settings = Settings.load()
    try:
        good = _run(settings, console, began)
        if not once:
            _stay(settings, console)
    finally:
        if not was_running:
            down(settings)
    return 0 if good else 1


def _up(settings: Settings) -> None:
    environment = {**os.environ, **settings.as_environment()}
    command = [sys.executable, "-m", "infra.cli", "up", "--detach"]
    if subprocess.run(command, env=environment, cwd=places.CHECKOUT, check=False).returncode:
        raise PartDied("the stack did not come up; what is said above tells why")


def _run(settings: Settings, console: Console, began: float) -> bool:
    """Send, wait, count and tell; whether all is well."""
    url = services.url(settings)
    seed_demo(settings.database_url)
    count.wait_until_settled(settings, within_s=SETTLES_WITHIN_S)
    before = count.count(settings)
    console.print("\nsending orders, and real recordings as readings")
    sending = time.monotonic()
    serial = _serial(settings)
    recordings = traffic.recordings(serial=serial, end=datetime.now(UTC).replace(microsecond=0))
    orders, bench = traffic.send_orders(url, serial)
    with Client(url, "gateway") as gateway:
        readings = traffic.send_readings(gateway, settings, recordings + traffic.tests(bench, recordings[0]))
    traffic.deliver(url, bench, orders)
    sent = time.monotonic()
    console.print(
        f"all acknowledged after {sent - sending:.1f} s; waiting for the drains and the refresh of touched keys"
    )
    count.wait_until_settled(settings, within_s=SETTLES_WITHIN_S)
    staged_after_s = time.monotonic() - sent
    covered = count.wait_for_marts(settings, within_s=SETTLES_WITHIN_S)
    dashboards = shown.wait_for_dashboards(settings, within_s=SETTLES_WITHIN_S) if settings.superset else None
    after = count.count(settings)
    outcome = Outcome(
        orders,
        readings,
        count.rows(before, after, orders, readings),
        after.staged.revisions - before.staged.revisions,
        covered,
        count.failures_found(settings, recordings),
        dashboards,
    )
    report.tell(outcome, console)
    console.print(
        f"\nup after {sending - began:.0f} s, sent in {sent - sending:.1f} s, staged and judged {staged_after_s:.0f} s "
        f"later; {time.monotonic() - began:.0f} s in all\n\n"
        f"API        {url}/docs\nDashboard  {url}/\nDagster    {dagster.url(settings)}\n{_superset(settings)}"
        f"users      ada, gus, gateway, olivia, paul, vera; password {PASSWORD}"
    )
    return not outcome.wrong


def _superset(settings: Settings) -> str:
    if not settings.superset:
        return ""
    # Another one than the stack's knows none of the users.
    users = "" if settings.superset_url else "olivia, paul, vera, or as "
    admin = f"{settings.superset_user}, password in {secrets.file(settings)}"
    return f"Superset   {settings.superset_address}, as {users}{admin}\n"


def _stay(settings: Settings, console: Console) -> None:
    """Go on with a reading per sensor and second, and now and then an order, until Ctrl-C."""
    console.print("\nlive readings and orders go on; Ctrl-C ends everything")
    chosen = random.Random()
    recordings = traffic.recordings(serial=_serial(settings), end=datetime.now(UTC))
    traffic.build(services.url(settings), recordings[0].sensor_id)
    try:
        with Client(services.url(settings), "gateway") as gateway, Client(services.url(settings), "ada") as ada:
            for second in range(40 * 60):  # A token is good for an hour.
                batch = traffic.live_batch(recordings, second)
                gateway.upload(traffic.body(batch, ARROW), ARROW)
                if second % ORDER_EVERY_S == 0:
                    ada.order(*traffic.some_order(chosen))
                time.sleep(EVERY_S)
        console.print("that was all; the stack stays up until Ctrl-C")
        while True:
            time.sleep(60)
    except KeyboardInterrupt:
        console.print("\nending")


def _serial(settings: Settings) -> int:
    with connect(settings.database_url) as connection:
        return staged.next_serial(connection, "TMP-100")
