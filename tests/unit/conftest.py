"""Unit tests reach no server: a socket that connects fails the test."""

from __future__ import annotations

import socket
from typing import NoReturn

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def _refuse(*_: object) -> NoReturn:
    raise AssertionError("a unit test must not open a connection; it belongs into tests/integration")


@pytest.fixture(autouse=True)
def no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections, except the pairs of sockets that event loops make for themselves."""
    monkeypatch.setattr(socket.socket, "connect", _refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", _refuse)
