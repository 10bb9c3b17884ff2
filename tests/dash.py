"""The live pages as a browser asks for them, without a browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from warehouse.accounts import DEMO_PASSWORD

# Sends a method to a path.
Request = Callable[..., Awaitable[httpx.Response]]


class Browser:
    """Asks a page's callbacks."""

    def __init__(self, request: Request, callbacks: list[dict[str, Any]]) -> None:
        self._request, self._callbacks = request, callbacks

    async def ask(self, output: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the callback that fills `output` answers, by the ids of the page's parts; they hold what is given."""
        holds = given or {}
        callback = next(one for one in self._callbacks if output in _outputs(one["output"]))
        outputs = [
            dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in _outputs(callback["output"])
        ]
        body = {
            "output": callback["output"],
            "outputs": outputs if callback["output"].startswith("..") else outputs[0],
            "inputs": [_with_value(one, holds) for one in callback["inputs"]],
            "state": [_with_value(one, holds) for one in callback["state"]],
            "changedPropIds": [],
        }
        answer = await self._request("POST", "/_dash-update-component", json=body)
        assert answer.status_code == 200, answer.text
        response: dict[str, Any] = answer.json()["response"]
        return response


async def sign_in(request: Request, user: str = "vera") -> Browser:
    """A browser that signed in; it has the client's cookies, as all that are made of this client do."""
    form = {"username": user, "password": DEMO_PASSWORD}
    assert (await request("POST", "/sign-in", data=form)).status_code == 303
    return Browser(request, (await request("GET", "/_dash-dependencies")).json())


def _outputs(name: str) -> list[str]:
    return name.strip(".").split("...") if name.startswith("..") else [name]


def _with_value(part: dict[str, str], holds: dict[str, Any]) -> dict[str, Any]:
    return {**part, "value": holds.get(f"{part['id']}.{part['property']}")}
