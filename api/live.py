"""The live dashboard at /: a Dash page on the API's own server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import dash
from dash import Input, Output, State, no_update
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from api import page, sign_in
from api.charts import curve_figure, empty_figure, rates_figure
from api.dashboard import Dashboard
from api.sign_in import Gate
from api.tiles import tiles
from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings

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


def mount(app: FastAPI) -> None:
    """Serve the dashboard at `/`, to those who signed in if the settings say so."""
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
    )
    dagster_url = f"http://{settings.dagster_host}:{settings.dagster_port}"
    live.layout = page.layout(dagster_url=dagster_url, signed_in=settings.dashboard_sign_in)
    _add_callbacks(live, app)
    guarded: Any = Gate(inner, app) if settings.dashboard_sign_in else inner
    # Route by route, not as a mount at "/": that would take every path that the API has no route for, and turn
    # its 404 and 405 answers into pages.
    for path in ("/", "/_dash-{rest:path}"):
        app.add_route(path, guarded, include_in_schema=False)
    app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")
    app.include_router(sign_in.router)


def _add_callbacks(live: dash.Dash, app: FastAPI) -> None:
    def dashboard() -> Dashboard:
        return cast("Dashboard", app.state.dashboard)

    @live.callback(
        Output("tiles", "children"),
        Output("rates", "figure"),
        Output("orders", "children"),
        Output("episode", "options"),
        Output("episode", "value"),
        Output("no-episodes", "hidden"),
        Output("taken-at", "data"),
        Input("refresh", "n_intervals"),
        State("episode", "options"),
        State("episode", "value"),
    )
    async def refresh(_: int | None, shown: list[dict[str, Any]], chosen: str | None) -> tuple[Any, ...]:
        try:
            seen = await dashboard().snapshot()
        except DependencyDown:
            return (no_update,) * 7
        return (
            tiles(seen),
            rates_figure(seen.rates),
            page.orders(seen.orders_by_status),
            page.episode_options(seen.episodes),
            page.choice(seen.episodes, shown, chosen),
            bool(seen.episodes),
            seen.taken_at.isoformat(),
        )

    @live.callback(Output("parts", "children"), Output("overall", "children"), Input("refresh", "n_intervals"))
    async def refresh_health(_: int | None) -> tuple[Any, ...]:
        health = await dashboard().health()
        return page.parts(health), page.overall(health)

    @live.callback(
        Output("curve", "figure"),
        Output("curve-title", "children"),
        Input("episode", "value"),
        Input("redraw", "n_intervals"),
    )
    async def redraw(chosen: str | None, _: int | None) -> tuple[Any, ...]:
        try:
            episode = page.find((await dashboard().snapshot()).episodes, chosen)
            if episode is None:
                return empty_figure("Nothing abnormal to show yet"), ""
            return curve_figure(episode, await dashboard().curve(episode)), page.curve_title(episode)
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
