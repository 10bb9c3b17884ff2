"""The live dashboard's two charts; the style sheet colours what differs between light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from warehouse.episodes import Curve, Episode
from warehouse.metrics import Rate

# Readable on white and on near black, and told apart by all kinds of colour vision; the anomaly also has a shape.
LINE = "#2f81d6"
AREA = "rgba(47, 129, 214, 0.14)"
ANOMALY = "#e8590c"
SPAN = "rgba(232, 89, 12, 0.10)"


def rates_figure(rates: Sequence[Rate]) -> go.Figure:
    """Readings loaded per second over the last minutes."""
    figure = go.Figure(
        go.Scatter(
            x=[rate.at for rate in rates],
            y=[rate.readings_per_s for rate in rates],
            mode="lines",
            line={"color": LINE, "width": 2},
            fill="tozeroy",
            fillcolor=AREA,
            hovertemplate="%{x|%H:%M:%S}<br><b>%{y:,.0f}</b> readings/s<extra></extra>",
        )
    )
    busiest = max((rate.readings_per_s for rate in rates), default=0)
    # An idle minute is a line at the bottom, not noise blown up to the full height.
    _lay_out(figure, y={"range": [0, max(10, busiest * 1.15)], "nticks": 5, "tickformat": "~s"}, x={"nticks": 6})
    return figure


def curve_figure(episode: Episode, curve: Curve) -> go.Figure:
    """A sensor's values around an episode, its anomalous readings marked."""
    figure = go.Figure(
        [
            go.Scatter(
                x=curve.times,
                y=curve.values,
                mode="lines",
                name="measured",
                line={"color": LINE, "width": 1.6},
                hovertemplate=f"%{{x|%d %b %H:%M}}<br><b>%{{y:.1f}}</b> {episode.unit}<extra></extra>",
            ),
            go.Scatter(
                x=curve.anomaly_times,
                y=curve.anomaly_values,
                mode="markers",
                name="anomalous",
                marker={"color": ANOMALY, "size": 8, "symbol": "diamond"},
                hovertemplate=f"%{{x|%d %b %H:%M}}<br><b>%{{y:.1f}}</b> {episode.unit}, anomalous<extra></extra>",
            ),
        ]
    )
    figure.add_vrect(x0=episode.start, x1=episode.end, fillcolor=SPAN, line_width=0, layer="below")
    _lay_out(
        figure,
        x={"nticks": 6},
        y={"nticks": 5, "ticksuffix": f" {episode.unit}"},
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        # A zoom is the viewer's own as long as the episode stays the same.
        uirevision=f"{episode.sensor_id} {episode.metric} {episode.start}",
    )
    return figure


def empty_figure() -> go.Figure:
    """Axes without anything, so that the page does not jump when data comes."""
    figure = go.Figure()
    _lay_out(figure, x={"visible": False}, y={"visible": False})
    return figure


def _lay_out(figure: go.Figure, *, x: dict[str, Any], y: dict[str, Any], **more: Any) -> None:
    axis = {"showline": False, "zeroline": False, "fixedrange": True, "ticks": "", "automargin": True}
    figure.update_layout(
        **{
            "template": None,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "inherit", "size": 12},
            "showlegend": False,
            "hovermode": "closest",
            "dragmode": False,
            "xaxis": axis | {"showgrid": False} | x,
            "yaxis": axis | {"gridwidth": 1, "rangemode": "normal"} | y,
        }
        | more
    )
