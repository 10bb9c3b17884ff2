"""The API in a test: the real app on real servers, without a socket in between or behind its own."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from api.app import create_app
from api.tokens import Tokens
from infra.local import ports, services
from sensorhouse.settings import Settings
from tests.servers import Server
from warehouse.database import connect

PROBLEM = "application/problem+json"


class Api:
    """Asks the app, as one of the demo's users."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient, settings: Settings) -> None:
        self.app, self._client, self.settings = app, client, settings
        self._tokens = Tokens(settings)

    async def __call__(self, method: str, path: str, user: str | None = None, **request: Any) -> httpx.Response:
        headers = dict(request.pop("headers", {}))
        # As our own clients do; a test that means otherwise says so.
        if method == "POST" and path in ("/orders", "/orders/") and "idempotency-key" not in headers:
            headers["idempotency-key"] = str(uuid4())
        if method == "PUT" and "if-match" not in headers:
            headers["if-match"] = "*"
        headers = {name: value for name, value in headers.items() if value is not None}
        if user:
            headers["authorization"] = f"Bearer {self.token(user)}"
        return await self._client.request(method, path, headers=headers, **request)

    def token(self, user: str) -> str:
        """A token as signing in would give it, without the 200 ms that a password costs."""
        return self._tokens.make(self.user_id(user))

    def user_id(self, user: str) -> UUID:
        """The id of one of the demo's users."""
        ((user_id,),) = self.rows("select user_id from users where username = %s", user)
        return UUID(str(user_id))

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What the warehouse answers."""
        with connect(self.settings.database_url) as connection:
            return connection.execute(statement, values or None).fetchall()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Api]:
    """The app from its start to its end."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api", timeout=30) as client,
    ):
        yield Api(app, client, settings)


@contextmanager
def served(
    settings: Settings, *, under: Sequence[str] = (), log: Path | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The app behind its real server, as the stack starts it: its address and the server's process.

    It is started `under` another program, and what it logs goes to `log`, if one is named.
    """
    elsewhere = settings.model_copy(update={"api_port": ports.free(1)[0]})
    part = services.api(elsewhere)
    command = part.command
    assert command
    server = Server(replace(part, command=lambda: [*under, *command()]), log or settings.state_dir / "api.log")
    try:
        server.start()
        assert server.process
        yield services.url(elsewhere), server.process
    finally:
        server.stop()


def token(settings: Settings, user: str) -> str:
    """A token of one of the demo's users."""
    with connect(settings.database_url) as connection:
        row = connection.execute("select user_id from users where username = %s", [user]).fetchone()
    assert row
    return Tokens(settings).make(row[0])


def assert_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document, which has all that RFC 9457 and we ask for."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["request_id"] == response.headers["x-request-id"]
    assert {"type", "title", "detail", "instance"} <= document.keys()
    return document
