"""How many requests there were and how long they took, for Prometheus, beside what drains did."""

from __future__ import annotations

import time

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.dashboard import Shown

# One registry a process: behind several workers each answers for itself.
REGISTRY = CollectorRegistry()
_requests = Counter("sensorhouse_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY)
_seconds = Histogram(
    "sensorhouse_request_seconds",
    "Time until the answer was complete.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
readings_accepted = Counter("sensorhouse_readings_accepted", "Readings that Kafka has.", registry=REGISTRY)
readings_rejected = Counter("sensorhouse_readings_rejected", "Readings refused one by one.", registry=REGISTRY)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(dashboard: Shown) -> Response:
    """The measures in Prometheus' format; meant for the inside, so it asks for no token."""
    return Response(generate_latest(REGISTRY) + await dashboard.measures(), media_type=CONTENT_TYPE_LATEST)


def answer_times() -> dict[tuple[str, str, float], int]:
    """By method, route and bound, how many answers took at most so many seconds, and longer than the bound before."""
    times = {}
    so_far: dict[tuple[str, str], int] = {}
    for sample in (sample for family in _seconds.collect() for sample in family.samples):
        if sample.name.endswith("_bucket"):
            # They add up, from the shortest on.
            asked = sample.labels["method"], sample.labels["route"]
            times[(*asked, float(sample.labels["le"]))] = int(sample.value) - so_far.get(asked, 0)
            so_far[asked] = int(sample.value)
    return times


class Measured:
    """ASGI middleware that counts and times requests by route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            # Names that clients make up would each be a series of their own.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = scope.get("route")
            path = route.path if isinstance(route, APIRoute) else "other"
            _requests.labels(method, path, status).inc()
            _seconds.labels(method, path).observe(time.perf_counter() - began)
