"""One phase of the benchmark of orders: a load on a server, how it was answered, and what that took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import polars as pl

from bench import connections, order_load, vegeta
from bench.measure import Meter, ended_children_cpu_s, rss_mib
from bench.order_api import Served
from bench.vegeta import Load

LOAD_GENERATOR = "load generator"


@dataclass(frozen=True)
class Summary:
    """How a load was answered. `orders` are those acknowledged, from the first request to the last answer."""

    requests: int
    orders: int
    errors: int
    codes: Mapping[int, int]
    seconds: float
    p50_ms: float
    p99_ms: float
    longest_ms: float

    @property
    def orders_per_s(self) -> float:
        """The rate; for the empty POST, that of its answers."""
        return self.orders / self.seconds


@dataclass(frozen=True)
class Phase:
    """A load, its summary and its cost.

    `open_connections` is the median of what was counted meanwhile; `rss_mib` is the server's before, after a quarter of
    the time and at the end.
    """

    load: Load
    summary: Summary
    open_connections: int
    rss_mib: tuple[float, float, float]
    cpu_s: Mapping[str, float]


@dataclass
class Looks:
    """What was seen of a server while a load was on it."""

    served: Served
    connections: list[int] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)

    def look(self) -> None:
        """See how it is now."""
        self.connections.append(connections.count(self.served.port))
        self.rss_mib.append(rss_mib(self.served.pid))


@dataclass(frozen=True)
class Attacker:
    """The load generator, where its files are, and whose CPU seconds are counted besides the server's."""

    program: Path
    folder: Path
    pids: Mapping[str, int | Sequence[int]]

    def run(
        self, served: Served, targets: Iterator[bytes], load: Load, *, most_per_s: int, may_refuse: bool = False
    ) -> tuple[Phase, pl.DataFrame]:
        """Put the load on the server; returns also what was acknowledged, as `acknowledged` does."""
        file = self.folder / "targets"
        # More than can be answered: each is sent once, and the last may not come before the time is over.
        per_s = load.per_s or most_per_s
        order_load.write(file, targets, int(per_s * load.seconds * 1.1) + load.connections + 100)
        looks, before = Looks(served), rss_mib(served.pid)
        meter, children_s = Meter.of({"API": served.pid, **self.pids}), ended_children_cpu_s()
        answers = vegeta.attack(self.program, f"127.0.0.1:{served.port}", file, load, looks.look)
        cpu_s = meter.read()
        file.unlink()
        quarter = looks.rss_mib[len(looks.rss_mib) // 4]
        phase = Phase(
            load,
            summed(answers, may_refuse=may_refuse),
            round(median(looks.connections)),
            (before, quarter, looks.rss_mib[-1]),
            {**cpu_s, LOAD_GENERATOR: ended_children_cpu_s() - children_s},
        )
        return phase, acknowledged(answers)


def summed(answers: pl.DataFrame, *, may_refuse: bool = False) -> Summary:
    """Sum up what the load generator tells; with `may_refuse` a 503 that says when to come back is no error."""
    ended = pl.col("at_ns") + pl.col("latency_ns")
    (span_ns,) = answers.select(ended.max() - pl.col("at_ns").min()).to_series()
    fine = pl.col("code").is_in([200, 201, 202])
    if may_refuse:
        fine |= (pl.col("code") == 503) & pl.col("headers").str.contains(r"(?i)(^|\n)retry-after: *\d")
    latency_ms = answers["latency_ns"] / 1e6
    codes = answers.group_by("code").len().sort("code")
    return Summary(
        requests=answers.height,
        orders=answers.filter(pl.col("code") == 201).height,
        errors=answers.filter(~fine).height,
        codes=dict(codes.iter_rows()),
        seconds=span_ns / 1e9,
        p50_ms=_quantile(latency_ms, 0.5),
        p99_ms=_quantile(latency_ms, 0.99),
        longest_ms=_quantile(latency_ms, 1.0),
    )


def acknowledged(answers: pl.DataFrame) -> pl.DataFrame:
    """The orders that were answered with 201: order_id, customer_id and key, null where the answer does not tell."""
    return answers.filter(pl.col("code") == 201).select(
        order_id=pl.col("body").str.extract(r'"order_id": ?"([0-9a-f-]{36})"'),
        customer_id=pl.col("body").str.extract(r'"customer_id": ?"([^"]+)"'),
        key=pl.col("body").str.extract(r'"notes": ?"([^"]+)"'),
    )


def _quantile(values: pl.Series, share: float) -> float:
    found = values.quantile(share, interpolation="higher")
    assert found is not None
    return float(found)
