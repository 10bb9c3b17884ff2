"""The benchmark of orders, on few connections: that it runs, loses nothing and ends with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import order_report
from bench.order_report import CLOSED, EMPTY_BEFORE, GOALS, MIXED, OPEN, OVERLOAD, Found
from bench.orders import quick, run
from tests.servers import Servers

# A whole stack, five more servers, and the load generator, which is built when it is first asked for.
pytestmark = pytest.mark.timeout(300)


def test_the_benchmark_of_orders_counts_every_order_everywhere(servers: Servers, tmp_path: Path) -> None:
    found = Found("this machine", {})
    run(servers, quick(), tmp_path, found)
    name, _, told = order_report.result(found).partition(" ")
    assert name == "RESULT"
    result = json.loads(told)
    assert {goal.key for goal in GOALS} | {"orders_per_s", "connections"} == result.keys()
    assert (result["errors"], result["lost"], result["doubled"]) == (0, 0, 0)
    assert result["orders_per_s"] > 0
    assert result["connections"] == quick().connections
    assert found.counted
    assert found.counted.acknowledged >= sum(found.phases[one].summary.orders for one in (CLOSED, OPEN, MIXED))
    assert all(place.orders >= found.counted.acknowledged for place in found.counted.places)
    assert {200, 201, 202} == found.phases[MIXED].summary.codes.keys()
    assert found.phases[OVERLOAD].summary.codes.keys() <= {201, 503}
    assert found.phases[EMPTY_BEFORE].cpu_s["API"] > 0
    assert "| lake, raw_orders |" in order_report.document(found)
