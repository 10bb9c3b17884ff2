"""What every request passes through: its ids, its size limit, the headers of its answer, and the last resort."""

from __future__ import annotations

import re

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars
from uuid_utils import uuid7

from api.problems import problem
from api.traces import trace_id, traceparent
from sensorhouse.errors import TooLarge

REQUEST_ID = "x-request-id"
_REQUEST_ID, _LENGTH, _TRACEPARENT = REQUEST_ID.encode(), b"content-length", b"traceparent"
_READ_HERE = frozenset({_REQUEST_ID, _LENGTH, _TRACEPARENT})

# A page (the docs, the live dashboard) runs its own scripts; plotly compiles code and draws through blobs.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_ASSETS = ("text/html", "text/css", "text/javascript", "application/javascript", "image/", "font/")

log = structlog.get_logger()


class Envelope:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = _read_here(scope)
        scope["request_id"] = _request_id(given.get(_REQUEST_ID))
        scope["traceparent"] = traceparent(given.get(_TRACEPARENT))
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _add_headers(MutableHeaders(scope=message), scope["request_id"])
            await send(message)

        # Set and reset by hand: `bound_contextvars` copies the whole context first, for every request.
        bound = bind_contextvars(request_id=scope["request_id"], trace_id=trace_id(scope["traceparent"]))
        try:
            if _announced_bytes(given.get(_LENGTH)) > self._max_body_bytes:
                await self._too_large(scope)(scope, receive, send_with_headers)
                return
            await self._app(scope, self._limited(receive), send_with_headers)
        except Exception:
            log.exception("unhandled", method=scope["method"], path=scope["path"])
            if started:
                raise
            answer = problem(scope, 500, "something went wrong here; quote the request_id when you report it")
            await answer(scope, receive, send_with_headers)
        finally:
            reset_contextvars(**bound)

    def _too_large(self, scope: Scope) -> ASGIApp:
        # The rest of the body is not read, so nothing more can follow on this connection.
        return problem(scope, TooLarge.status, self._limit(), title=TooLarge.title, headers={"connection": "close"})

    def _limit(self) -> str:
        return f"the body is larger than {self._max_body_bytes:,} bytes; send it in parts"

    def _limited(self, receive: Receive) -> Receive:
        """`receive`, until more came than is taken: a body without a length shows its size only so."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                # FastAPI lets this one through where it reads a body; any other would become a 400.
                raise HTTPException(TooLarge.status, self._limit(), {"connection": "close"})
            return message

        return limited


def _read_here(scope: Scope) -> dict[bytes, bytes]:
    """The headers that the envelope looks at; one that came several times is a list with commas, as RFC 9110 has it."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _READ_HERE:
            found[name] = b"%s,%s" % (found[name], value) if name in found else value
    return found


def _request_id(given: bytes | None) -> str:
    return given.decode() if given and re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", given) else str(uuid7())


def _announced_bytes(length: bytes | None) -> int:
    return int(length) if length and re.fullmatch(rb"[0-9]{1,18}", length) else 0


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    kind = headers.get("content-type", "")
    headers[REQUEST_ID] = request_id
    headers["x-content-type-options"] = "nosniff"
    headers["referrer-policy"] = "same-origin"
    headers.setdefault("content-security-policy", _PAGE_POLICY if kind.startswith("text/html") else _DATA_POLICY)
    if not kind.startswith(_ASSETS):
        headers.setdefault("cache-control", "no-store")
