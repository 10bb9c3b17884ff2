"""Connections to a port of this machine: counted, held open without a word, and how many files that takes."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# What a process opens besides.
OTHER_FILES = 500
_ESTABLISHED = "01"
_REQUEST = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


def allow(connections: int) -> None:
    """Let us and our children open that many; ends the program when the system's limit is lower."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(
            f"{connections:,} connections take {wanted:,} open files a process, and the hard limit is {hard:,}: "
            f"raise it (`ulimit -Hn`, LimitNOFILE), or give --connections {max(hard - OTHER_FILES, 1)}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def count(port: int) -> int:
    """Open connections to the port, counted at the clients' end."""
    return count_in(Path("/proc/net/tcp").read_text(), port)


def count_in(table: str, port: int) -> int:
    """The same of the kernel's table."""
    # Fields: number, local address, remote address, state.
    ending = f":{port:04X}"
    rows = (line.split(maxsplit=4) for line in table.splitlines()[1:])
    return sum(row[2].endswith(ending) and row[3] == _ESTABLISHED for row in rows)


@contextmanager
def held(port: int, number: int) -> Iterator[None]:
    """That many connections, each of which was answered once and then stays open and idle."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(number)
        ]
        for client in clients:
            client.sendall(_REQUEST)
        for client in clients:
            answer = client.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200"), f"not an answer to GET /livez: {answer[:80]!r}"
        found = count(port)
        assert found >= number, f"{found:,} of {number:,} connections are open"
        yield
