"""The API behind its real server: what only a socket shows."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import polars as pl
import pytest

from bench import connections, order_api, order_load, vegeta
from bench.order_api import Served
from bench.vegeta import Load
from sensorhouse.settings import Settings
from tests.api import assert_problem, served, token
from tests.readings import reading
from tests.servers import Servers
from warehouse.database import connect

# More connections than Granian would serve by default.
CROWD = 1_100
LOG = "api.log"


@pytest.fixture
def address(demo: Settings, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    connections.allow(CROWD)
    # Started as a shell does it, whose own limit is lower than the system's.
    with served(demo, under=("prlimit", "--nofile=256:"), log=tmp_path / LOG) as address:
        yield address


def headers(settings: Settings, user: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token(settings, user)}", "content-type": "application/json"}


def test_a_crowd_that_only_stays_connected_keeps_nobody_out(address: tuple[str, subprocess.Popen[bytes]]) -> None:
    url, _ = address
    with connections.held(int(url.rpartition(":")[2]), CROWD):
        assert httpx.get(f"{url}/livez", timeout=5).status_code == 200


def test_a_body_of_50_mb_is_refused_and_the_next_request_works(
    demo: Settings, address: tuple[str, subprocess.Popen[bytes]]
) -> None:
    url, _ = address
    body = b" " * (50 << 20)
    with httpx.Client(base_url=url, headers=headers(demo, "gateway"), timeout=30) as client:
        assert_problem(client.post("/sensors/data", content=body), 413)
        assert_problem(client.post("/sensors/data", content=iter([body])), 413)
        assert client.post("/sensors/data", json=[reading()]).status_code == 202
        assert client.get("/metrics").status_code == 200


def test_a_request_that_is_under_way_is_answered_before_the_server_ends(
    demo: Settings, address: tuple[str, subprocess.Popen[bytes]]
) -> None:
    url, process = address
    form = b"username=ada&password=sensorhouse-demo"
    with socket.create_connection((url.removeprefix("http://").split(":")[0], int(url.rpartition(":")[2]))) as client:
        # Checking a password takes long enough to be caught in the middle.
        client.sendall(
            b"POST /auth/token HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
            b"content-type: application/x-www-form-urlencoded\r\ncontent-length: %d\r\n\r\n" % len(form) + form
        )
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        client.settimeout(10)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert process.wait(20) == 0


def test_a_body_that_is_longer_than_it_announced_is_refused_as_well(
    demo: Settings, address: tuple[str, subprocess.Popen[bytes]]
) -> None:
    """HTTP lets the chunks count, whatever the length said; so must the limit."""
    url, _ = address
    head = b"POST /sensors/data HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n"
    head += b"".join(b"%b: %b\r\n" % (k.encode(), v.encode()) for k, v in headers(demo, "gateway").items())
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=20) as client:
        client.sendall(head + b"\r\n1100000\r\n")
        with suppress(ConnectionError):
            client.sendall(b" " * 0x1100000 + b"\r\n0\r\n\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 413")


def test_of_two_thousand_requests_with_one_key_over_two_processes_one_order_is_made(
    demo: Settings, tmp_path: Path
) -> None:
    connections.allow(1000)
    program = vegeta.program(demo)

    def thousand(served: Served) -> pl.DataFrame:
        body = orjson.dumps({"sku": "TMP-100", "quantity": 5})
        authorization = headers(demo, "ada")["authorization"]
        asked = order_load.target("POST", f"{served.url}/orders/", authorization, key="k-1", body=body)
        file = tmp_path / f"{served.port}"
        file.write_bytes(asked * 1000)
        load = Load(connections=1000, seconds=10)
        return vegeta.attack(program, f"127.0.0.1:{served.port}", file, load, lambda: None, may_run_out=True)

    with (
        order_api.api(demo, tmp_path) as one,
        order_api.api(demo, tmp_path, order_flush_rows=7) as other,
        ThreadPoolExecutor(2) as both,
    ):
        answers = pl.concat(both.map(thousand, (one, other)))
    assert answers.group_by("code").len().rows() == [(201, 2000)]
    assert answers["body"].n_unique() == 1
    assert answers["headers"].str.contains("(?i)idempotent-replayed: true").sum() == 1999
    with connect(demo.database_url) as connection:
        counted = connection.execute("select (select count(*) from orders), (select count(*) from outbox)").fetchone()
    assert counted == (1, 1)


def test_a_log_line_tells_the_request_and_its_trace(
    demo: Settings, servers: Servers, tmp_path: Path, address: tuple[str, subprocess.Popen[bytes]]
) -> None:
    url, _ = address
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    signed_in = headers(demo, "ada")
    servers.postgres.kill()

    def line_of(**ids: str) -> dict[str, Any]:
        """The one line about a request that could not be answered."""
        refused = httpx.get(f"{url}/orders/", headers=signed_in | ids)
        request_id = assert_problem(refused, 503)["request_id"]
        lines = [line for line in (tmp_path / LOG).read_text().splitlines() if request_id in line]
        assert len(lines) == 1
        told: dict[str, Any] = json.loads(lines[0])
        assert told["request_id"] == request_id
        return told

    known = line_of(traceparent=f"00-{trace_id}-b7ad6b7169203331-01", **{"x-request-id": "mine-1"})
    assert (known["event"], known["request_id"], known["trace_id"]) == ("dependency_down", "mine-1", trace_id)
    new = [line_of(traceparent=f"00-{trace_id}-0000000000000000-01")["trace_id"] for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in new)
    assert len({trace_id, *new}) == 3
