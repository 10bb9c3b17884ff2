"""The API in a test: the real app on real servers, without a socket in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from api.app import create_app
from api.tokens import Tokens
from sensorhouse.settings import Settings
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


def assert_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document, which has all that RFC 9457 and we ask for."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["request_id"] == response.headers["x-request-id"]
    assert {"type", "title", "detail", "instance"} <= document.keys()
    return document
