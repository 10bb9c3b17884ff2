"""What tests of faults may ask for, and the matrix of faults and results at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from sensorhouse.settings import Settings
from tests.faults.drains import STARTED
from tests.faults.matrix import MATRIX
from tests.faults.proxy import Proxy
from tests.servers import Servers

# Small slices, so that a run has many steps; the lake at its own pace, so that the sinks are apart.
SMALL = {"slice_rows": 250, "slice_s": 0.1, "lake_flush_s": 0.2, "linger_s": 1.0, "topic_partitions": 2}
DOCUMENT = """\
# Faults and results

Written by `make faults`, not by hand. What these tests promise is in [guarantees.md](guarantees.md).

{table}
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-matrix", type=Path, help="write the matrix of faults and results to this file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the matrix, and write it where the option says."""
    if not MATRIX.rows:
        return
    terminalreporter.section("faults and results")
    for line in (*MATRIX.lines(), *MATRIX.told):
        terminalreporter.line(line)
    file: Path | None = config.getoption("--fault-matrix", default=None)
    if file:
        file.write_text(DOCUMENT.format(table="\n".join(MATRIX.lines())))


@pytest.fixture(autouse=True)
def no_drain_is_left() -> Iterator[None]:
    """Drains that a failed test leaves, lying still perhaps, are ended."""
    yield
    for one in STARTED:
        one.kill()
    STARTED.clear()


@pytest.fixture
def small(servers: Servers, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a test under which a drain takes many small slices."""
    made = servers.new_settings(state_dir=tmp_path, **SMALL)
    yield made
    servers.start()
    servers.drop(made)


@pytest.fixture
def proxies(servers: Servers) -> Iterator[dict[str, Proxy]]:
    """A proxy before each server."""
    door, s3_port = servers.side_door, urlsplit(servers.settings.s3_endpoint or "").port
    assert s3_port
    to_kafka, to_postgres = Proxy(door.port, door.advertised), Proxy(servers.settings.postgres_port)
    with to_kafka as kafka, to_postgres as postgres, Proxy(s3_port) as s3:
        yield {"kafka": kafka, "postgres": postgres, "s3": s3}


@pytest.fixture
def through(small: Settings, proxies: dict[str, Proxy]) -> Settings:
    """Settings under which every connection leads through the proxies."""
    place = urlsplit(small.database_url)
    user = place.netloc.rpartition("@")[0]
    changes = {
        "kafka_brokers": f"127.0.0.1:{proxies['kafka'].port}",
        "postgres_url": urlunsplit(place._replace(netloc=f"{user}@127.0.0.1:{proxies['postgres'].port}")),
        "s3_endpoint": f"http://127.0.0.1:{proxies['s3'].port}",
    }
    return Settings(_env_file=None, **(small.model_dump() | changes))
