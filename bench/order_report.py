"""What the benchmark of orders prints: its goals, tables for people, and one last line for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import mean

from bench.order_count import Counted
from bench.order_phases import LOAD_GENERATOR, Phase
from bench.report import table, warning

# The phases, by the names they have in the tables.
WARM_UP = "warm-up"
EMPTY_BEFORE = "empty POST, before"
CLOSED = "orders, closed loop"
EMPTY_AFTER = "empty POST, after"
FLUSH_SIZE_1 = "orders, flush size 1"
OPEN = "orders, open loop at half of that"
MIXED = "80 % orders, 15 % reads, 5 % uploads"
OVERLOAD = "orders, more than the queue holds"


@dataclass(frozen=True)
class Goal:
    """A number of the last line, and what it should be at least or at most."""

    key: str
    told: str
    limit: float
    is_least: bool = False

    def is_met(self, found: float) -> bool:
        """Whether this will do."""
        return found >= self.limit if self.is_least else found <= self.limit


GOALS = (
    Goal("errors", "answers that are errors", 0),
    Goal("lost", "acknowledged orders that are missing anywhere", 0),
    Goal("doubled", "orders that are there twice", 0),
    Goal("x_flush_size_1", "times as fast as flush size 1", 1.8, is_least=True),
    Goal("of_empty_post", "share of the empty POST's rate", 0.5, is_least=True),
    Goal("open_loop_p99_ms", "p99 of the open loop, ms", 250),
)


@dataclass
class Found:
    """Everything that one run has measured; what is not there was not reached."""

    machine: str
    versions: Mapping[str, str]
    busy: list[float] = field(default_factory=list)
    bytes_per_connection: float | None = None
    phases: dict[str, Phase] = field(default_factory=dict)
    counted: Counted | None = None


def numbers(found: Found) -> dict[str, float | None]:
    """Those of the last line; what was not measured is None."""
    rate = _rate(found, CLOSED)
    empty = [one for one in (_rate(found, EMPTY_BEFORE), _rate(found, EMPTY_AFTER)) if one is not None]
    closed, opened, counted = found.phases.get(CLOSED), found.phases.get(OPEN), found.counted
    return {
        "orders_per_s": None if rate is None else round(rate, 1),
        "x_flush_size_1": _share(rate, _rate(found, FLUSH_SIZE_1)),
        "of_empty_post": _share(rate, mean(empty) if empty else None),
        "errors": sum(phase.summary.errors for phase in found.phases.values()),
        "lost": counted.lost if counted else None,
        "doubled": counted.doubled if counted else None,
        "open_loop_p99_ms": round(opened.summary.p99_ms, 1) if opened else None,
        "connections": closed.open_connections if closed else None,
    }


def result(found: Found) -> str:
    """The last line."""
    return f"RESULT {json.dumps(numbers(found))}"


def document(found: Found) -> str:
    """All tables, as Markdown."""
    parts = [
        f"Machine: {found.machine}. {', '.join(f'{name} {version}' for name, version in found.versions.items())}.",
        warning(found.busy),
        _goals(numbers(found)),
        _rates(found),
        _costs(found.phases),
        _memory(found),
        _counted(found.counted),
    ]
    return "\n\n".join(part for part in parts if part)


def shortfalls(measured: Mapping[str, float | None]) -> list[str]:
    """A sentence for each goal that was not reached."""
    told = []
    for goal in GOALS:
        value = measured[goal.key]
        if value is None:
            told.append(f"Not measured: {goal.told}.")
        elif not goal.is_met(value):
            told.append(f"Short of its goal: {goal.told}: {value:,}; wanted: {_limit(goal)}.")
    return told


def _goals(measured: Mapping[str, float | None]) -> str:
    rows = [[goal.told, _limit(goal), "–" if (value := measured[goal.key]) is None else f"{value:,}"] for goal in GOALS]
    verdict = shortfalls(measured) or ["Every goal is reached."]
    return f"{table(['goal', 'wanted', 'measured'], rows)}\n\n{' '.join(verdict)}"


def _rates(found: Found) -> str:
    rows = []
    for name, phase in found.phases.items():
        told = phase.summary
        codes = ", ".join(f"{number:,} × {code or 'no answer'}" for code, number in told.codes.items())
        rows.append(
            [
                name,
                f"{phase.open_connections:,}",
                f"{phase.load.per_s:,}" if phase.load.per_s else "–",
                f"{told.seconds:.1f}",
                f"{told.orders_per_s:,.0f}",
                f"{told.p50_ms:,.0f}",
                f"{told.p99_ms:,.0f}",
                f"{told.longest_ms:,.0f}",
                codes,
                f"{told.errors:,}",
            ]
        )
    head = ["load", "open connections", "asked/s", "seconds", "201/s", "p50, ms", "p99, ms", "longest, ms"]
    return table([*head, "answers", "errors"], rows) if rows else ""


def _costs(phases: Mapping[str, Phase]) -> str:
    if not phases:
        return ""
    names = list(dict.fromkeys(name for phase in phases.values() for name in phase.cpu_s))
    rows = [
        [name, *(f"{phase.cpu_s[process] / phase.summary.seconds:.2f}" for process in names), f"{_cpu_ms(phase):.2f}"]
        for name, phase in phases.items()
    ]
    head = ["processors in use", *names, "all but the load generator, CPU ms/201"]
    return table(head, rows)


def _memory(found: Found) -> str:
    rows = [[name, *(f"{mib:,.0f}" for mib in phase.rss_mib)] for name, phase in found.phases.items()]
    if not rows:
        return ""
    text = table(["the server's RSS, MiB", "before", "after a quarter", "at the end"], rows)
    if found.bytes_per_connection is not None:
        text += f"\n\nAn open connection that asks nothing takes {found.bytes_per_connection:,.0f} bytes of the API."
    if OVERLOAD in found.phases:
        _, quarter, end = found.phases[OVERLOAD].rss_mib
        text += f"\n\nOverloaded, the API's memory changed by {end - quarter:+,.0f} MiB in the last three quarters."
    return text


def _counted(counted: Counted | None) -> str:
    if counted is None:
        return ""
    rows = [
        [place.name, *(f"{number:,}" for number in (place.rows, place.orders, place.missing, place.doubled))]
        for place in counted.places
    ]
    head = [f"{counted.acknowledged:,} acknowledged orders", "rows", "orders", "missing", "doubled"]
    return table(head, rows)


def _rate(found: Found, name: str) -> float | None:
    phase = found.phases.get(name)
    return phase.summary.orders_per_s if phase else None


def _share(ours: float | None, theirs: float | None) -> float | None:
    return round(ours / theirs, 3) if ours is not None and theirs else None


def _limit(goal: Goal) -> str:
    return f"{'at least' if goal.is_least else 'at most'} {goal.limit:,}" if goal.limit else "0"


def _cpu_ms(phase: Phase) -> float:
    used = sum(seconds for name, seconds in phase.cpu_s.items() if name != LOAD_GENERATOR)
    return used * 1000 / max(phase.summary.orders, 1)
