"""A real Redis for the tests of what processes share: on a free port, keeping nothing."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local import ports
from infra.local.part import Part
from tests.servers import Server


@contextmanager
def redis_server(folder: Path) -> Iterator[Server]:
    """Redis, running; its part's address is what `redis_url` is set to."""
    program = shutil.which("redis-server")
    if not program:
        pytest.fail("redis-server is not there: run infra/install-redis")
    (port,) = ports.free(1)
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    part = Part(
        "redis",
        command=lambda: [*command, "--dir", str(folder)],
        is_ready=lambda _: answers(port),
        address=f"redis://127.0.0.1:{port}/0",
    )
    server = Server(part, folder / "redis.log")
    server.start()
    try:
        yield server
    finally:
        server.kill()


def answers(port: int) -> bool:
    """Whether it takes commands."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16) == b"+PONG\r\n"
    except OSError:
        return False
