"""A TCP proxy between a drain and a server, which cuts a connection when the test says so."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from tests.waiting import wait_until

Match = Callable[[bytes, bytes], bool]
"""Of what a client has just sent, and lately: whether this is the request whose answer is to be lost."""

_CHUNK = 64 << 10
# How much of what went before `Match` is shown.
_REMEMBERED = 16 << 10


@dataclass(eq=False)
class _Link:
    """One client's connection and ours to the server."""

    client: socket.socket
    server: socket.socket
    sent: bytes = b""
    doomed: bool = False

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@dataclass
class Proxy:
    """Forwards to 127.0.0.1:`target` until it is told otherwise.

    A matching request is forwarded and its answer awaited; then the answer is thrown away, and the connection closed:
    what the client asked for was done, and the client can't know.
    """

    target: int
    port: int = 0
    cuts: int = 0
    _match: Match | None = None
    _times: int = 0
    _at_least: int = 0
    _links: set[_Link] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_severed: bool = False

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # Wakes the thread that waits in `accept`, which closing alone does not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._close_all()

    def lose_answers(self, match: Match, *, times: int, at_least: int = 0) -> None:
        """Lose the answers of the next `times` requests that match and are answered with `at_least` bytes."""
        with self._lock:
            self._match, self._times, self._at_least = match, self._times + times, at_least

    def wait_for_cuts(self, count: int) -> None:
        """Wait until that many answers were lost in all."""
        wait_until(lambda: self.cuts >= count, f"{count} answers are lost")

    def sever(self) -> None:
        """Cut every connection and let no new one through, until `mend`."""
        self._is_severed = True
        self._close_all()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_severed = False

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_severed:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Link(client, server)
            with self._lock:
                self._links.add(link)
            for pump in (self._pump_requests, self._pump_answers):
                threading.Thread(target=pump, args=(link,), name="proxy", daemon=True).start()

    def _pump_requests(self, link: _Link) -> None:
        with suppress(OSError):
            while chunk := link.client.recv(_CHUNK):
                link.sent = (link.sent + chunk)[-_REMEMBERED:]
                if self._is_to_lose(chunk, link.sent):
                    link.doomed = True
                link.server.sendall(chunk)
        self._drop(link)

    def _pump_answers(self, link: _Link) -> None:
        with suppress(OSError):
            while chunk := link.server.recv(_CHUNK):
                if link.doomed and self._takes(chunk):
                    break
                link.client.sendall(chunk)
        self._drop(link)

    def _is_to_lose(self, chunk: bytes, sent: bytes) -> bool:
        with self._lock:
            return self._match is not None and self._times > 0 and self._match(chunk, sent)

    def _takes(self, chunk: bytes) -> bool:
        """Whether this is an answer to lose; counts it."""
        with self._lock:
            if self._times <= 0 or len(chunk) < self._at_least:
                return False
            self._times -= 1
            self.cuts += 1
            return True

    def _drop(self, link: _Link) -> None:
        with self._lock:
            self._links.discard(link)
        link.close()

    def _close_all(self) -> None:
        with self._lock:
            links = list(self._links)
            self._links.clear()
        for link in links:
            link.close()
