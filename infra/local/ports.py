"""Ports of this machine: is one free, and which one is."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from sensorhouse.errors import PortTaken


@dataclass(frozen=True)
class Port:
    """A port that a part listens on, and the setting that moves it."""

    number: int
    setting: str
    host: str = "127.0.0.1"


def is_free(port: Port) -> bool:
    """Whether nothing listens there."""
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do, or a port whose last connections are still closing would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
        except OSError:
            return False
    return True


def require_all_free(wanted: Sequence[tuple[str, Port]]) -> None:
    """Raise `PortTaken`, with the part's name, for the first port that is taken or wanted twice."""
    seen: set[int] = set()
    for part, port in wanted:
        if port.number in seen or not is_free(port):
            raise PortTaken(part, port.number, port.setting)
        seen.add(port.number)


def free(count: int) -> list[int]:
    """That many different ports on which nothing listens now.

    Below the range from which the kernel gives ports to outgoing connections, or a server that is
    restarted might find its port in use by somebody's client.
    """
    found: set[int] = set()
    while len(found) < count:
        number = random.randrange(20_000, 32_000)
        if is_free(Port(number, setting="")):
            found.add(number)
    return list(found)
