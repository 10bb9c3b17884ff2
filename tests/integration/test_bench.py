"""The benchmark, on few readings: that it runs, finds every reading in both sinks, and ends with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import report
from bench.ingest import Plan, run
from bench.report import Found
from bench.topics import Encoding
from tests.servers import Servers

# Eight processes one after another, each with the whole platform to import.
pytestmark = pytest.mark.timeout(240)

FEW = 20_000


def test_the_benchmark_drains_each_encoding_and_tells_the_rates(servers: Servers, tmp_path: Path) -> None:
    plan = Plan(parts=("drains", "steady"), readings=FEW, repeats=1, steady_s=2.0, quiet_within_s=0.0)
    found = Found("this machine", {})
    run(servers, plan, tmp_path, found)
    for encoding in Encoding:
        assert found.rates[encoding].sent.readings == FEW
        assert len(found.rates[encoding].runs) == 1
    name, _, told = report.result(found).partition(" ")
    assert name == "RESULT"
    result = json.loads(told)
    keys = {"readings_per_s", "x_python_peer", "x_kafka_connect", "of_consume_only"}
    assert all(result[encoding].keys() == keys for encoding in ("json", "ndjson", "arrow"))
    assert 0 < result["freshness_p50_s"] <= result["freshness_p99_s"]
    assert result["peak_rss_mib"] > 0
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{report.START}\nold\n{report.END}\nafter\n")
    report.write(page, report.document(found))
    assert page.read_text().startswith(f"before\n{report.START}\n\nMachine: this machine")
    assert page.read_text().endswith(f"\n\n{report.END}\nafter\n")
    assert "reading_chunks_series_id_t_min_idx" in page.read_text()
