"""The HTTP API, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from agent import policy
from api import (
    auth,
    dagster_access,
    dashboard,
    docs,
    document,
    live,
    measures,
    orders,
    probes,
    receipts,
    sensors,
    units,
    uploads,
)
from api.admission import Admission
from api.answer_times import add_now_and_then
from api.context import Services
from api.envelope import Envelope
from api.expiry import expire
from api.garbage import seldom_collected
from api.measures import Measured
from api.open_files import allow_open_files
from api.placing import Placing
from api.problems import RESPONSES, add_problem_handlers
from api.shared import shared_memory
from api.tokens import Tokens
from sensorhouse import logs
from sensorhouse.beside import beside
from sensorhouse.settings import Settings
from sensors_io.lake import open_lake
from sensors_io.publisher import Publisher
from warehouse.notices import listen
from warehouse.pool import open_pool

_ABOUT = """
Orders, readings and what was found in them.

In the demo, sign in (Authorize) as `ada` (customer acme), `gateway` (device), `olivia` (operator), `paul` (approver)
or `vera` (viewer), each with the password `sensorhouse-demo`. An operation's `x-demo-user` says whose role its example
needs.
"""


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        return document.completed(super().openapi())


def create_app(settings: Settings | None = None) -> FastAPI:
    """The API as an ASGI application; it connects when it starts to serve, and lets go when it ends."""
    settings = settings or Settings.load()
    logs.configure(settings.log_level)
    tokens = Tokens(settings)
    rules = policy.load(settings.policy_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        allow_open_files()
        pool = await open_pool(settings.database_url)
        publisher = Publisher(settings)
        keys_kept_for = timedelta(hours=settings.idempotency_hours)
        placing = Placing(
            pool,
            rules,
            flush_rows=settings.order_flush_rows,
            longest_queue=settings.order_queue,
            keys_kept_for=keys_kept_for,
        )
        try:
            with seldom_collected():
                async with shared_memory(settings.redis_url) as memory:
                    services = app.state.services = Services(
                        settings, pool, publisher, tokens, open_lake(settings), rules, placing, memory
                    )
                    async with (
                        dashboard.watching(settings, pool) as app.state.dashboard,
                        beside(expire(pool, keys_kept_for=keys_kept_for)),
                        beside(add_now_and_then(pool)),
                        beside(listen(settings.database_url, services.changed, missed=services.doubt_all)),
                    ):
                        yield
        finally:
            await placing.close()
            await publisher.close()
            await pool.close()

    app = _Api(
        title="Sensorhouse",
        version="0.1.0",
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=RESPONSES,
        # What links name; each endpoint's function has a name of its own.
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    app.add_middleware(Admission)
    app.add_middleware(Measured)
    # Added last, so it is the outermost.
    app.add_middleware(Envelope, max_body_bytes=settings.max_body_bytes)
    add_problem_handlers(app)
    for part in (auth, orders, units, uploads, receipts, sensors, dashboard, dagster_access, probes, measures, docs):
        app.include_router(part.router)
    docs.mount_assets(app)
    live.mount(app)
    return app
