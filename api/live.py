"""The live pages: one Dash app on the API's own server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import dash
from dash import Input, Output, State, no_update
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from api import frame, live_details, page, sign_in
from api.charts import curve_figure, empty_figure, rates_figure
from api.dashboard import Dashboard
from api.details import stretch
from api.orders import own_customer
from api.sign_in import Gate, viewer
from api.tiles import tiles
from sensorhouse.errors import DependencyDown, Forbidden
from sensorhouse.settings import Settings
from warehouse.orders import Order

ASSETS = Path(__file__).parent / "assets"
_INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
<link rel="icon" href="data:,">
{%css%}
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""
_METAS = [
    {"name": "viewport", "content": "width=device-width, initial-scale=1"},
    {"name": "color-scheme", "content": "light dark"},
]
# In the browser, since a server that is gone can't say so. The clock is the browser's on both sides.
_TELL_AGE = """
(_, takenAt) => {
    const seen = window.sensorhouse ??= {};
    if (seen.takenAt !== takenAt) Object.assign(seen, {takenAt, at: Date.now()});
    seen.since ??= Date.now();
    // In steps of ten, for those who have it read out.
    const age = Math.floor((Date.now() - (takenAt ? seen.at : seen.since)) / 10000) * 10;
    const text = takenAt
        ? `No new data for more than ${age} s. What you see is how it was at ${takenAt.slice(11, 19)} UTC.`
        : "No data yet: the warehouse does not answer.";
    return [takenAt ? `${takenAt.slice(11, 19)} UTC` : "–", text, age < 10];
}
"""
_TELL_TITLE = """
(path) => {
    const name = decodeURIComponent((path ?? "").split("/").slice(3).join("/"));
    document.title = name ? `${name} · Sensorhouse` : "Sensorhouse";
    return name;
}
"""


def mount(app: FastAPI) -> None:
    """Serve the pages at `/` and below `/live`, to those who signed in if the settings say so."""
    settings: Settings = app.state.settings
    inner: Any = FastAPI(openapi_url=None)
    live = dash.Dash(
        __name__,
        server=inner,
        backend="fastapi",
        assets_folder=str(ASSETS),
        index_string=_INDEX,
        meta_tags=_METAS,
        title="Sensorhouse",
        update_title="",  # no flicker in the tab
        serve_locally=True,
        suppress_callback_exceptions=True,  # each page has its own parts
    )
    elsewhere = {"Dagster": settings.dagster_address, "API": "/docs"}
    if settings.superset:
        elsewhere["Superset"] = f"{settings.superset_address}/dashboard/list/"
    live.layout = frame.frame(elsewhere=elsewhere, signed_in=settings.dashboard_sign_in)
    _add_callbacks(live, app)
    live_details.add_callbacks(live, app)
    guarded: Any = Gate(inner, app) if settings.dashboard_sign_in else inner
    page_of: Any = Gate(_Index(inner), app) if settings.dashboard_sign_in else _Index(inner)
    # Route by route, not as a mount at "/": that would take every path that the API has no route for, and turn
    # its 404 and 405 answers into pages.
    for path in ("/", "/_dash-{rest:path}"):
        app.add_route(path, guarded, include_in_schema=False)
    app.add_route("/live/find", _find, methods=["GET"], include_in_schema=False)
    for path in (f"{frame.SENSORS}{{name:path}}", f"{frame.ORDERS}{{order_id:uuid}}"):
        app.add_route(path, page_of, include_in_schema=False)
    app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")
    app.include_router(sign_in.router)


class _Index:
    """ASGI: the page at `/` for any address; which one it is, its own callback tells by the browser's."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._inner({**scope, "path": "/", "raw_path": b"/", "query_string": b""}, receive, send)


async def _find(request: Request) -> RedirectResponse:
    """On to the page of what was looked for: an order by its id, else a sensor."""
    name = request.query_params.get("q", "").strip()
    try:
        return RedirectResponse(f"{frame.ORDERS}{UUID(name)}", 303)
    except ValueError:
        return RedirectResponse(f"{frame.SENSORS}{quote(name, safe='')}" if name else "/", 303)


def _add_callbacks(live: dash.Dash, app: FastAPI) -> None:
    def dashboard() -> Dashboard:
        return cast("Dashboard", app.state.dashboard)

    @live.callback(Output("view", "children"), Input("address", "pathname"), Input("address", "search"))
    async def show(path: str | None, search: str | None) -> Any:
        # The first call may come before the browser told its address.
        return no_update if path is None else live_details.layout(path, search or "") or page.layout()

    @live.callback(Output("overall", "children"), Output("taken-at", "data"), Input("pulse", "n_intervals"))
    async def tell_state(_: int | None) -> tuple[Any, ...]:
        health = frame.overall(await dashboard().health())
        try:
            return health, (await dashboard().snapshot()).taken_at.isoformat()
        except DependencyDown:
            return health, no_update

    @live.callback(
        Output("tiles", "children"),
        Output("rates", "figure"),
        Output("orders", "children"),
        Output("no-episodes", "hidden"),
        Output("episode", "value"),
        Output("episode", "options"),
        Output("latest-orders", "children"),
        Output("shown", "data"),
        Input("refresh", "n_intervals"),
        State("episode", "options"),
        State("episode", "value"),
        State("shown", "data"),
    )
    async def refresh(
        _: int | None, options: list[dict[str, Any]], chosen: str | None, shown: dict[str, str] | None
    ) -> tuple[Any, ...]:
        try:
            seen = await dashboard().snapshot()
            latest = await _latest_orders(dashboard())
        except DependencyDown:
            return (no_update,) * 8
        choice = page.choice(seen.episodes, options, chosen)
        return (
            tiles(seen),
            rates_figure(seen.rates),
            page.orders(seen.orders_by_status),
            bool(seen.episodes),
            # Not the same again: by now another may be chosen.
            no_update if choice == chosen else choice,
            *frame.unless_shown(shown, episodes=page.episode_options(seen.episodes), orders=page.latest_orders(latest)),
        )

    @live.callback(Output("parts", "children"), Input("refresh", "n_intervals"))
    async def refresh_health(_: int | None) -> Any:
        return page.parts(await dashboard().health())

    @live.callback(
        Output("curve", "figure"),
        Output("curve-title", "children"),
        Input("episode", "value"),
        Input("redraw", "n_intervals"),
    )
    async def redraw(chosen: str | None, _: int | None) -> tuple[Any, ...]:
        try:
            # As it is by now: a curve follows an episode that goes on.
            episode = page.find((await dashboard().snapshot()).episodes, chosen)
            if episode is None:
                return empty_figure("Nothing abnormal to show yet"), ""
            around = stretch(episode.sensor_id, episode.metric, episode.surroundings)
            return curve_figure(episode, await dashboard().details.curves.get(around)), page.curve_title(episode)
        except DependencyDown:
            return no_update, no_update

    live.clientside_callback(  # type: ignore[no-untyped-call]
        _TELL_AGE,
        Output("updated", "children"),
        Output("stale", "children"),
        Output("stale", "hidden"),
        Input("tick", "n_intervals"),
        Input("taken-at", "data"),
    )
    live.clientside_callback(  # type: ignore[no-untyped-call]
        _TELL_TITLE, Output("title", "data"), Input("address", "pathname")
    )


async def _latest_orders(dashboard: Dashboard) -> list[Order]:
    """The newest orders that the viewer may know of."""
    user = viewer.get()
    try:
        return await dashboard.details.latest.get(own_customer(user) if user else None)
    except Forbidden:
        return []
