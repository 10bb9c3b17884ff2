"""The load generator: vegeta's library, built from locked sources, run on a file of targets, its answers as a table."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from infra.local import tools
from sensorhouse.settings import Settings

SOURCES = Path(__file__).parent / "vegeta_tool"
LIBRARY = "github.com/tsenart/vegeta/v12"
ANSWER_WITHIN_S = 30
# How often those who watch an attack look.
LOOKS = 40
# What vegeta writes as CSV, in this order; bodies and headers as base64.
_CSV = {
    "at_ns": pl.Int64,
    "code": pl.Int32,
    "latency_ns": pl.Int64,
    "bytes_out": pl.Int64,
    "bytes_in": pl.Int64,
    "error": pl.String,
    "body": pl.String,
    "attack": pl.String,
    "seq": pl.Int64,
    "method": pl.String,
    "url": pl.String,
    "headers": pl.String,
}
_NO_TARGETS = "no targets to attack"


@dataclass(frozen=True)
class Load:
    """So many connections for so long.

    Without `per_s` each connection asks again as soon as it is answered; with it requests leave by the clock, and more
    connections are opened when the answers come late. An answer may take `answer_within_s`; until then a patient
    client sends again, with the same key, what was refused with 503 or not answered.
    """

    connections: int
    seconds: float
    per_s: int | None = None
    answer_within_s: int = ANSWER_WITHIN_S
    is_patient: bool = False


def program(settings: Settings) -> Path:
    """The program of `vegeta_tool`."""
    return tools.built_with_go(settings, SOURCES, ".", tools.go_folder(settings, SOURCES, "vegeta"))


def locked_version() -> str:
    """The version that go.mod names."""
    found = re.search(rf"{re.escape(LIBRARY)} v(\S+)", (SOURCES / "go.mod").read_text())
    assert found
    return found[1]


def attack(
    vegeta: Path, address: str, targets: Path, load: Load, look: Callable[[], None], *, may_run_out: bool = False
) -> pl.DataFrame:
    """Send the targets to `address` (host:port), each once, and call `look` now and then; a row per request.

    The connections are open before the first request is sent. The targets must last for the whole time, unless they
    `may_run_out`. Columns: at_ns, latency_ns, code (0: no answer), error, method, url, body and headers as text.
    """
    table = targets.with_suffix(".csv")
    options = {
        "address": address,
        "targets": targets,
        "output": table,
        "connections": load.connections,
        "duration": f"{load.seconds}s",
        "timeout": f"{load.answer_within_s}s",
        "rate": load.per_s or 0,
        "patient": str(load.is_patient).lower(),
    }
    command = [str(vegeta), *(f"-{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(load.seconds / LOOKS)
            look()
    assert process.returncode == 0, "vegeta failed"
    found = read(table)
    table.unlink()
    if may_run_out:
        return found.filter(pl.col("error") != _NO_TARGETS)
    assert _NO_TARGETS not in found["error"], f"{targets.name}: the targets did not last for {load.seconds:.0f} s"
    return found


def read(table: Path) -> pl.DataFrame:
    """The answers as the load generator wrote them."""
    text = (
        pl.col(name).fill_null("").str.decode("base64").cast(pl.String, strict=False) for name in ("body", "headers")
    )
    return (
        pl.scan_csv(table, has_header=False, schema=pl.Schema(_CSV))
        .select("at_ns", "latency_ns", "code", pl.col("error").fill_null(""), "method", "url", *text)
        .collect()
    )
