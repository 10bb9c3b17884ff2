"""Orders that there is no room for are refused before any work is done for them."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import RETRY_AFTER_S, problem
from sensorhouse.errors import Overloaded

_PATHS = frozenset({"/orders", "/orders/"})


class Admission:
    """ASGI middleware that answers 503 to new orders while the queue of those to be written is full."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and scope["method"] == "POST"
            and scope["path"] in _PATHS
            and scope["app"].state.services.placing.is_full
        ):
            refused = problem(
                scope,
                Overloaded.status,
                "too many orders wait; this one was not looked at, so send it again in a moment",
                title=Overloaded.title,
                headers={"retry-after": str(RETRY_AFTER_S)},
            )
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)
