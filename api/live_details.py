"""The callbacks of the pages of one sensor and of one order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, unquote
from uuid import UUID

import dash
from dash import Input, Output, State, no_update
from fastapi import FastAPI

from api import order_page, sensor_page
from api.charts import empty_figure, sensor_figure
from api.details import Details, OrderSeen, stretch
from api.frame import ORDERS, SENSORS, unless_shown
from api.orders import own_customer, theirs
from api.sign_in import viewer
from sensorhouse.errors import DependencyDown, Forbidden, NotFound, Refused
from warehouse.sensors import Tested


def layout(path: str, search: str) -> Any:
    """The page at an address; null when it is another's."""
    asked = {name: values[0] for name, values in parse_qs(search.removeprefix("?")).items()}
    if path.startswith(SENSORS):
        name = unquote(path.removeprefix(SENSORS))
        return sensor_page.layout(name, metric=asked.get("metric"), episode=asked.get("episode"))
    return order_page.layout(path.removeprefix(ORDERS)) if path.startswith(ORDERS) else None


def add_callbacks(live: dash.Dash, app: FastAPI) -> None:
    """What the two pages ask for."""

    def details() -> Details:
        return cast("Details", app.state.dashboard.details)

    @live.callback(
        Output("sensor-told", "children"),
        Output("sensor-metric", "options"),
        Output("sensor-metric", "value"),
        Output("sensor-episodes", "children"),
        Output("sensor-unit", "children"),
        Output("sensor-shown", "data"),
        Input("sensor-refresh", "n_intervals"),
        State("sensor", "data"),
        State("sensor-metric", "value"),
        State("sensor-shown", "data"),
    )
    async def refresh_sensor(
        _: int | None, asked: dict[str, Any], metric: str | None, shown: dict[str, str] | None
    ) -> tuple[Any, ...]:
        try:
            sensor = await details().sensors.get(asked["sensor_id"])
        except DependencyDown:
            return (no_update,) * 6
        options = sensor_page.metric_options(sensor)
        keeps = metric in options
        return (
            sensor_page.told(sensor),
            options,
            no_update if keeps else next(iter(options), None),
            *unless_shown(
                shown,
                episodes=sensor_page.episodes(sensor, asked["episode"]),
                unit=sensor_page.tested(_may_know(sensor.tested)),
            ),
        )

    @live.callback(
        Output("sensor-curve", "figure"),
        Output("sensor-counts", "children"),
        Input("sensor-metric", "value"),
        Input("sensor-range", "value"),
        Input("sensor-redraw", "n_intervals"),
        State("sensor", "data"),
    )
    async def redraw_sensor(metric: str | None, length: str, _: int | None, asked: dict[str, Any]) -> tuple[Any, ...]:
        try:
            sensor = await details().sensors.get(asked["sensor_id"])
            series = sensor_page.chosen(sensor, metric)
            if series is None:
                return empty_figure("No readings to show"), ""
            episodes = [one for one in sensor.episodes if one.metric == metric]
            around = next((one for one in episodes if str(one.episode_id) == asked["episode"]), None)
            span = sensor_page.window(series, around, length, datetime.now(UTC))
            curve = await details().curves.get(stretch(sensor.sensor_id, series.metric, span))
        except DependencyDown:
            return no_update, no_update
        return sensor_figure(series.unit, curve, episodes, span), sensor_page.counts(curve)

    @live.callback(
        Output("order-told", "children"),
        Output("order-facts", "children"),
        Output("order-yield", "children"),
        Output("order-history", "children"),
        Output("order-units", "children"),
        Output("order-shown", "data"),
        Input("order-refresh", "n_intervals"),
        State("order", "data"),
        State("order-shown", "data"),
    )
    async def refresh_order(_: int | None, order_id: str, shown: dict[str, str] | None) -> tuple[Any, ...]:
        try:
            seen = await _order(details(), UUID(order_id))
        except DependencyDown:
            return (no_update,) * 6
        except Refused as error:
            return f"{error}.", "", "", "", "", None
        return (
            order_page.told(seen.order),
            order_page.ordered(seen.order),
            order_page.yield_of(seen.counts, seen.order.quantity),
            *unless_shown(shown, history=order_page.history(seen), units=order_page.units(seen)),
        )


async def _order(details: Details, order_id: UUID) -> OrderSeen:
    """The order, if the viewer may know of it; raises `NotFound` or `Forbidden` otherwise."""
    seen, user = await details.orders.get(order_id), viewer.get()
    if seen is None:
        raise NotFound("there is no such order")
    if user:
        theirs(seen.order, user)
    return seen


def _may_know(tested: Tested | None) -> Tested | None:
    """The unit, if the viewer may know of its order."""
    user = viewer.get()
    if tested is None or user is None:
        return tested
    try:
        own = own_customer(user)
    except Forbidden:
        return None
    return tested if own in (None, tested.customer_id) else None
