"""The live pages' charts, as Plotly's JSON; the style sheet colours what differs between light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import compress
from typing import Any

from api.words import unit
from warehouse.curves import Curve
from warehouse.episodes import Episode
from warehouse.metrics import Rate

Figure = dict[str, Any]

# Readable on white and on near black, and told apart by all kinds of colour vision; an anomaly also has a shape.
LINE = "#2f81d6"
AREA = "rgba(47, 129, 214, 0.14)"
ANOMALY = "#e8590c"
SPAN = "rgba(232, 89, 12, 0.10)"
# The least height of the rate's axis: an idle minute is a line at the bottom, not noise blown up.
LEAST_RATE = 10.0


def rates_figure(rates: Sequence[Rate]) -> Figure:
    """Readings loaded per second over the last minutes."""
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": [rate.at for rate in rates],
        "y": [rate.readings_per_s for rate in rates],
        "line": {"color": LINE, "width": 2},
        "fill": "tozeroy",
        "fillcolor": AREA,
        "hovertemplate": "%{x|%H:%M:%S}<br><b>%{y:,.0f}</b> readings/s<extra></extra>",
    }
    busiest = max((rate.readings_per_s for rate in rates), default=0.0)
    y = {"range": [0, max(LEAST_RATE, busiest * 1.15)], "tickformat": "~s"}
    return {"data": [line], "layout": _layout(x={"tickformat": "%H:%M"}, y=y)}


def curve_figure(episode: Episode, curve: Curve) -> Figure:
    """A sensor's values around an episode, the abnormal ones marked."""
    return sensor_figure(episode.unit, curve, [episode])


def sensor_figure(
    symbol: str, curve: Curve, episodes: Sequence[Episode], span: tuple[datetime, datetime] | None = None
) -> Figure:
    """A sensor's values over a span of time, those within episodes marked."""
    hover = f"%{{x|%d %b %H:%M}}<br><b>%{{y:.1f}}</b> {unit(symbol)}"
    measured = {
        "type": "scatter",
        "mode": "lines",
        "name": "measured",
        "x": curve.times,
        "y": curve.values,
        "line": {"color": LINE, "width": 1.6},
        "hovertemplate": f"{hover}<extra></extra>",
    }
    inside = [any(one.started_at <= at <= one.ended_at for one in episodes) for at in curve.times]
    anomalous = {
        "type": "scatter",
        "mode": "markers",
        "name": "abnormal",
        "x": list(compress(curve.times, inside)),
        "y": list(compress(curve.values, inside)),
        "marker": {"color": ANOMALY, "size": 6, "symbol": "diamond"},
        "hovertemplate": f"{hover}, abnormal<extra></extra>",
    }
    layout = _layout(x={"range": list(span)} if span else {}, y={"ticksuffix": f" {unit(symbol)}"}) | {
        "shapes": [_shade(one) for one in episodes],
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
    return {"data": [measured, anomalous], "layout": layout}


def _shade(episode: Episode) -> dict[str, Any]:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": episode.started_at,
        "x1": episode.ended_at,
        "y0": 0,
        "y1": 1,
        "fillcolor": SPAN,
        "line": {"width": 0},
        "layer": "below",
    }


def empty_figure(reason: str = "") -> Figure:
    """Axes without anything but the reason, so that the page does not jump when data comes."""
    note = {"text": reason, "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    layout = _layout(x={"visible": False}, y={"visible": False}) | {"annotations": [note] if reason else []}
    return {"data": [], "layout": layout}


def _layout(*, x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    axis = {"showline": False, "zeroline": False, "fixedrange": True, "ticks": "", "automargin": True, "nticks": 6}
    return {
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "inherit", "size": 12},
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": False,
        "xaxis": axis | {"type": "date", "showgrid": False} | x,
        "yaxis": axis | {"showgrid": True, "ticklabelstandoff": 6} | y,
    }
