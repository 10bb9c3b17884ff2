"""What the page of one sensor consists of, as pure functions of what is shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dash import dcc, html

from api.frame import (
    KINDS,
    REFRESH_MS,
    TIERS,
    card,
    episode_link,
    facts,
    graph,
    heading,
    moment,
    order_link,
    peak,
    span,
    state,
    table,
)
from api.words import plural, unit
from warehouse.curves import Curve
from warehouse.episodes import Episode
from warehouse.sensors import Sensor, Series, Tested

RANGES = {"day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=30)}
CURVE_REFRESH_MS = 2_500


def layout(sensor_id: str, *, metric: str | None, episode: str | None) -> html.Div:
    """The page before the first data."""
    return html.Div(
        [
            heading("Sensor", sensor_id, html.Span(id="sensor-told")),
            card(
                "Curve",
                html.Span(id="sensor-counts"),
                html.Div(
                    [
                        _choices("Metric", "sensor-metric", [], metric),
                        _choices("Time range", "sensor-range", list(RANGES), "day"),
                    ],
                    className="controls",
                ),
                graph("sensor-curve", "Line chart of the sensor's values, the abnormal times marked"),
            ),
            html.Div(
                [
                    card("Episodes", "those that stand; choose one to see its curve", html.Div(id="sensor-episodes")),
                    card("Unit", "for which order it was built, and its test", html.Div(id="sensor-unit")),
                ],
                className="row",
            ),
            dcc.Store(id="sensor", data={"sensor_id": sensor_id, "episode": episode}),
            dcc.Store(id="sensor-shown"),
            dcc.Interval(id="sensor-refresh", interval=REFRESH_MS),
            dcc.Interval(id="sensor-redraw", interval=CURVE_REFRESH_MS),
        ],
        className="view",
    )


def told(sensor: Sensor) -> Any:
    """What it measures, and when it was heard of last."""
    if not sensor.series:
        return "Nothing was ever heard of a sensor of this name."
    measured = ", ".join(f"{one.metric} in {unit(one.unit)}" for one in sensor.series)
    silent = next((f"silent {span(episode)} UTC" for episode in sensor.episodes if episode.is_silent), None)
    last_at = max((one.last_at for one in sensor.series if one.last_at), default=None)
    last = ["last heard of ", moment(last_at), " UTC"] if last_at else ["no reading of the last days"]
    return [f"{sensor.series[0].sensor_type}: {measured}; ", *last, *([", ", html.Strong(silent)] if silent else [])]


def metric_options(sensor: Sensor) -> list[str]:
    """What the curve can show."""
    return list(dict.fromkeys(one.metric for one in sensor.series))


def chosen(sensor: Sensor, metric: str | None) -> Series | None:
    """The series of a metric."""
    return next((one for one in sensor.series if one.metric == metric), None)


def window(series: Series, episode: Episode | None, range_name: str, now: datetime) -> tuple[datetime, datetime]:
    """The times that a curve shows: up to now, to the last reading when that is long ago, or around an episode."""
    length = RANGES[range_name]
    if episode:
        middle = episode.started_at + (episode.ended_at - episode.started_at) / 2
        end = min(middle + length / 2, max(now, episode.ended_at))
    else:
        end = now if series.last_at is None or now - series.last_at < length else series.last_at
    return end - length, end


def counts(curve: Curve) -> str:
    """How many readings the curve stands for."""
    if not curve.readings:
        return "no readings in this time"
    again = f"{curve.repeated:,} repeated, {curve.revised:,} revised"
    return f"{curve.readings:,} {plural(curve.readings, 'reading')} in this time, {again}"


def episodes(sensor: Sensor, shown: str | None) -> Any:
    """Its episodes, the newest first, each with the way to its curve; `shown` is the one that the curve is at."""
    if not sensor.episodes:
        return html.P("None found so far.", className="empty")
    has_several = len(metric_options(sensor)) > 1
    rows = [
        [
            KINDS[one.kind],
            *([one.metric] if has_several else []),
            episode_link(one, is_shown=str(one.episode_id) == shown),
            peak(one) or "–",
            f"{one.readings:,}",
            TIERS[one.tier],
        ]
        for one in sensor.episodes
    ]
    metric = {"Metric": ""} if has_several else {}
    columns = {"Kind": "", **metric, "When, UTC": "", "Peak": "number", "Readings": "number", "Found": ""}
    return table("Episodes", columns, rows)


def tested(unit: Tested | None) -> Any:
    """The unit that the sensor is."""
    if unit is None:
        return html.P("Not entered as a unit of an order.", className="empty")
    return facts(
        {
            "Test": state(unit.result),
            "Why": html.Ul([html.Li(reason) for reason in unit.reasons]) if unit.reasons else None,
            "Readings in the test": f"{unit.readings:,}",
            "Order": order_link(unit.order_id),
            "Product": unit.sku,
            "Line": unit.line_id,
            "Entered": moment(unit.built_at),
        }
    )


def _choices(name: str, part: str, options: list[str], value: str | None) -> html.Fieldset:
    legend = html.Legend(name, className="unseen")
    return html.Fieldset([legend, dcc.RadioItems(id=part, options=options, value=value, className="choices")])
