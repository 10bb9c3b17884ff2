"""A client of the API as a customer's or a gateway's own program would be."""

from __future__ import annotations

from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx

from sensorhouse.errors import DependencyDown

# The demo's users are made by the demo, on the local stack only.
PASSWORD = "sensorhouse-demo"  # noqa: S105


class Client:
    """One signed-in user; a connection that stays open."""

    def __init__(self, url: str, username: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30)
        answer = self._http.post("/auth/token", data={"username": username, "password": PASSWORD})
        self._http.headers["authorization"] = f"Bearer {_checked(answer)['access_token']}"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> Any:
        """What is at `path`."""
        return _checked(self._http.get(path, params=query))

    def order(self, sku: str, quantity: int, **more: str) -> Any:
        """Place an order; the order as it was taken."""
        key = {"idempotency-key": str(uuid4())}
        return _checked(self._http.post("/orders/", json={"sku": sku, "quantity": quantity, **more}, headers=key))

    def set_status(self, order_id: str, status: str, reason: str | None = None) -> Any:
        """Move an order on, at whatever version it is."""
        body = {"status": status} | ({"reason": reason} if reason else {})
        return _checked(self._http.put(f"/orders/{order_id}/status", json=body, headers={"if-match": "*"}))

    def enter_units(self, order_id: str, sensor_ids: list[str], line_id: str) -> Any:
        """Enter what a line has built for an order."""
        body = {"sensor_ids": sensor_ids, "line_id": line_id}
        return _checked(self._http.post(f"/orders/{order_id}/units", json=body))

    def upload(self, body: bytes, content_type: str) -> Any:
        """Upload readings; the receipt."""
        headers = {"content-type": content_type}
        return _checked(self._http.post("/sensors/data", content=body, headers=headers))


def _checked(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise DependencyDown(f"{answer.request.method} {answer.request.url.path} answered {answer.text[:500]}")
    return answer.json()
