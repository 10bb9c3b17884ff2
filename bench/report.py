"""What the benchmark prints: tables for people, and one last line for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.drains import Rates
from bench.freshness import Freshness
from bench.peers.run import PeerRate
from bench.topics import Encoding

START = "<!-- measured: start -->"
END = "<!-- measured: end -->"
# What other programs may take of the processors before it is told.
BUSY = 0.2
PROCESSES = ("drain", "broker", "Postgres", "S3")


@dataclass
class Found:
    """Everything that one run of the benchmark has measured; what was left out is empty or None."""

    machine: str
    versions: Mapping[str, str]
    drains: int = 1
    indexes: Sequence[str] = ()
    busy: list[float] = field(default_factory=list)
    rates: dict[Encoding, Rates] = field(default_factory=dict)
    long: dict[Encoding, Rates] = field(default_factory=dict)
    peers: list[PeerRate] = field(default_factory=list)
    connect: PeerRate | None = None
    steady: Freshness | None = None
    idle: Freshness | None = None


def result(found: Found) -> str:
    """The last line."""
    into_postgres = [peer.readings_per_s for peer in found.peers if peer.name.endswith("→ Postgres")]
    fastest = max(into_postgres, default=None)
    connect = found.connect.readings_per_s if found.connect else None
    answer: dict[str, object] = {
        encoding.value: {
            "readings_per_s": round(rates.readings_per_s),
            "x_python_peer": _times(rates.readings_per_s, fastest),
            "x_kafka_connect": _times(rates.readings_per_s, connect),
            "of_consume_only": round(rates.of_consume_only, 3),
        }
        for encoding, rates in found.rates.items()
    }
    steady = found.steady
    answer["freshness_p50_s"] = round(steady.p50_s, 3) if steady else None
    answer["freshness_p99_s"] = round(steady.p99_s, 3) if steady else None
    peaks = [rates.peak_rss_mib for rates in (*found.rates.values(), *found.long.values())]
    peaks += [steady.peak_rss_mib] if steady and steady.peak_rss_mib else []
    answer["peak_rss_mib"] = round(max(peaks)) if peaks else None
    return f"RESULT {json.dumps(answer)}"


def document(found: Found) -> str:
    """All tables, as Markdown."""
    parts = [
        f"Machine: {found.machine}. {', '.join(f'{name} {version}' for name, version in found.versions.items())}.",
        warning(found.busy),
        _rates(found.rates, f"Ours, into the lake and into Postgres by {_processes(found.drains)}"),
        _long(found),
        _peers(found),
        _freshness(found),
        _indexes(found.indexes),
    ]
    return "\n\n".join(part for part in parts if part)


def around(path: Path) -> tuple[str, str]:
    """What a document says before and after the two marks; raises `ValueError` when it hasn't got both."""
    before, start, rest = path.read_text().partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"{path} has not the two marks {START} and {END}")
    return before, after


def write(path: Path, text: str) -> None:
    """Put the tables between the document's two marks."""
    before, after = around(path)
    path.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}")


def _processes(drains: int) -> str:
    return "one process" if drains == 1 else f"{drains} processes that share the partitions"


def warning(busy: Sequence[float]) -> str:
    """What to say when other programs were at work; empty when they rested."""
    if max(busy, default=0.0) < BUSY:
        return ""
    return f"**Other programs kept {max(busy):.0%} of the processors busy: these numbers say little.**"


def _rates(rates: Mapping[Encoding, Rates], title: str) -> str:
    if not rates:
        return ""
    rows = [
        [
            encoding.value,
            f"{one.sent.readings:,}",
            f"{one.readings_per_s:,.0f}",
            f"{one.consume_only_per_s:,.0f}",
            f"{one.of_consume_only:.0%}",
            *(f"{one.cpu_s(process):.2f}" for process in PROCESSES),
            f"{one.peak_rss_mib:,.0f}",
            f"{one.sent.bytes / one.sent.readings:.0f}",
        ]
        for encoding, one in rates.items()
    ]
    head = ["encoding", "readings", "readings/s", "consume only/s", "share of it"]
    head += [f"{process}, CPU s" for process in PROCESSES] + ["drain's peak RSS, MiB", "bytes/reading"]
    runs = {len(one.runs) for one in rates.values()}
    return f"{title}; median of {max(runs)}:\n\n{table(head, rows)}"


def _long(found: Found) -> str:
    if not found.long:
        return ""
    rows = []
    for encoding, long in found.long.items():
        short = found.rates[encoding]
        costs = [one.cpu_s("drain") * 1e6 / one.sent.readings for one in (short, long)]
        cells = [f"{short.sent.readings:,}", f"{costs[0]:.2f}", f"{long.sent.readings:,}", f"{costs[1]:.2f}"]
        rows.append([encoding.value, *cells, f"{costs[1] / costs[0] - 1:+.0%}"])
    head = ["encoding", "readings", "CPU s per million", "readings", "CPU s per million", "difference"]
    return f"{_rates(found.long, 'A longer backlog')}\n\nThe drain's cost per reading:\n\n{table(head, rows)}"


def _peers(found: Found) -> str:
    peers = [*found.peers, *([found.connect] if found.connect else [])]
    if not peers:
        return ""
    json_rate = found.rates[Encoding.JSON].readings_per_s if Encoding.JSON in found.rates else None
    rows = [
        [
            peer.name,
            f"{peer.readings:,}",
            f"{peer.readings_per_s:,.0f}" if peer.readings_per_s >= 100 else f"{peer.readings_per_s:.1f}",
            f"{peer.cpu_s:.1f}",
            f"{peer.peak_rss_mib:,.0f}",
            "yes" if peer.is_complete else "no",
            f"{_times(json_rate, peer.readings_per_s) or '–'}",
        ]
        for peer in peers
    ]
    head = ["from the JSON topic", "readings", "readings/s", "CPU s", "peak RSS, MiB", "all there", "ours is × as fast"]
    return f"Others on the same topic, best run of each:\n\n{table(head, rows)}"


def _freshness(found: Found) -> str:
    named = {"while draining at a steady pace": found.steady, "from idle, through Dagster": found.idle}
    rows = [
        [name, f"{one.readings:,}", f"{one.p50_s:.2f}", f"{one.p99_s:.2f}", f"{one.longest_s:.2f}", _share(one)]
        for name, one in named.items()
        if one
    ]
    head = ["accepted → queryable", "readings", "p50, s", "p99, s", "longest, s", "of a core"]
    return table(head, rows) if rows else ""


def _indexes(indexes: Sequence[str]) -> str:
    return "Indexes in place:\n\n" + "\n".join(f"    {definition}" for definition in indexes) if indexes else ""


def _share(freshness: Freshness) -> str:
    return "–" if freshness.drain_cores is None else f"{freshness.drain_cores:.0%}"


def _times(ours: float | None, theirs: float | None) -> float | None:
    return round(ours / theirs, 1) if ours and theirs else None


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table, all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
