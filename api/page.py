"""What the live dashboard's page consists of, as pure functions of what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html

from api.charts import empty_figure
from api.dashboard import Health
from api.health import Part
from api.tiles import tiles
from api.words import unit
from warehouse.episodes import Episode
from warehouse.metrics import RATE_MINUTES

REFRESH_MS = 2_000
CURVE_REFRESH_MS = 10_000
TICK_MS = 1_000

# In the order in which an order passes them, then how one ends otherwise.
STATUSES = (
    "received",
    "pending_approval",
    "accepted",
    "routed",
    "in_production",
    "in_test",
    "shipped",
    "delivered",
    "rejected",
    "expired",
    "cancelled",
)
# As an operator says it.
KINDS = {
    "spike": "spike",
    "shift": "shift",
    "drift": "drift",
    "stuck": "stuck",
    "drop_out": "silent",
    "noise": "noise",
    "shape": "unusual shape",
    "out_of_spec": "out of spec",
}
TIERS = {"online": "as noticed", "batch": "judged in depth"}
_CHART: Any = {"displayModeBar": False}
_ABBREVIATED = {"api": "API"}
_HIDDEN: dict[str, Any] = {"aria-hidden": "true"}


def layout(*, dagster_url: str, signed_in: bool) -> html.Div:
    """The page before the first data; the callbacks fill the parts that have an id."""
    return html.Div(
        [
            html.A("Skip to the numbers", href="#numbers", className="skip"),
            _header(dagster_url, signed_in=signed_in),
            html.Div("No new data", id="stale", className="stale", role="alert", hidden=True),
            html.Main(
                [
                    html.Section(
                        html.Dl(tiles(None), id="tiles", className="tiles"),
                        id="numbers",
                        **_label("Key numbers"),
                    ),
                    html.Div(
                        [
                            _card(
                                "Readings per second",
                                f"last {RATE_MINUTES} minutes, as loaded into the warehouse",
                                _graph("rates", "Line chart of the readings loaded per second"),
                            ),
                            _card("Orders by state", "all orders", html.Div(id="orders")),
                        ],
                        className="row",
                    ),
                    html.Div(
                        [
                            _card(
                                "Latest anomalies",
                                "choose one to see its curve",
                                dcc.RadioItems(id="episode", options=[], className="episodes"),
                                html.P("None found so far.", id="no-episodes", className="empty"),
                            ),
                            _card(
                                "Sensor curve",
                                html.Span(id="curve-title"),
                                _graph("curve", "Line chart of the sensor's values, the abnormal time marked"),
                            ),
                        ],
                        className="row swapped",
                    ),
                    _card(
                        "Health", "each part, checked while somebody watches", html.Ul(id="parts", className="parts")
                    ),
                ]
            ),
            dcc.Interval(id="refresh", interval=REFRESH_MS),
            dcc.Interval(id="redraw", interval=CURVE_REFRESH_MS),
            dcc.Interval(id="tick", interval=TICK_MS),
            dcc.Store(id="taken-at"),
        ],
        className="page",
    )


def orders(by_status: dict[str, int]) -> html.Table:
    """A bar per state."""
    most = max(by_status.values(), default=0) or 1
    rows = [
        html.Tr(
            [
                html.Th(status.replace("_", " "), scope="row"),
                html.Td(
                    html.Div(className="bar", style={"width": f"{100 * by_status.get(status, 0) / most:.1f}%"}),
                    className="track",
                    **_HIDDEN,
                ),
                html.Td(f"{by_status.get(status, 0):,}", className="number"),
            ],
            className="" if by_status.get(status) else "none",
        )
        for status in STATUSES
    ]
    return html.Table([html.Caption("Orders by state", className="unseen"), html.Tbody(rows)], className="bars")


def episode_options(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """One choice per episode; the value stays the same while the episode grows."""
    return [{"label": _episode(episode), "value": key(episode)} for episode in episodes]


def key(episode: Episode) -> str:
    """What names an episode in the page."""
    return str(episode.episode_id)


def find(episodes: Sequence[Episode], chosen: str | None) -> Episode | None:
    """The chosen episode, while it is among the newest."""
    return next((episode for episode in episodes if key(episode) == chosen), None)


def choice(episodes: Sequence[Episode], shown: Sequence[dict[str, Any]], chosen: str | None) -> str | None:
    """Which episode to show now: the chosen one, or the newest for whoever was looking at the newest."""
    was_newest = not shown or chosen == shown[0]["value"]
    if was_newest or find(episodes, chosen) is None:
        return key(episodes[0]) if episodes else None
    return chosen


def curve_title(episode: Episode) -> str:
    """Which curve is drawn, and in which way it is abnormal."""
    return f"{episode.sensor_id}, {episode.metric}: {KINDS[episode.kind]}{_peak(episode, before=', ')}"


def parts(health: Health) -> list[html.Li]:
    """One line per part, the ill ones first."""
    return [_part(part) for part in sorted(health.parts, key=lambda part: part.healthy)]


def overall(health: Health) -> list[Any]:
    """The state of everything in a few words."""
    ill = [part.name for part in health.parts if not part.healthy]
    if not ill:
        return [_sign(healthy=True), f"All {len(health.parts)} parts are healthy"]
    names = ill[0] if len(ill) == 1 else f"{len(ill)} of {len(health.parts)} parts"
    return [_sign(healthy=False), f"{names} {'needs' if len(ill) == 1 else 'need'} attention"]


def _header(dagster_url: str, *, signed_in: bool) -> html.Header:
    links = [
        html.A("Dagster", href=dagster_url, target="_blank", rel="noopener"),
        html.A("API", href="/docs", target="_blank", rel="noopener"),
    ]
    return html.Header(
        [
            html.Div([html.H1("Sensorhouse"), html.Div("…", id="overall", className="overall", role="status")]),
            html.Div(
                [
                    html.Span(["updated ", html.Time("–", id="updated")], className="updated"),
                    html.Nav(links, **_label("Elsewhere")),
                    html.Form(html.Button("Sign out"), action="/sign-out", method="post", hidden=not signed_in),
                ],
                className="aside",
            ),
        ]
    )


def _card(title: str, note: Any, *content: Any) -> html.Section:
    heading = html.Div([html.H2(title), html.P(note, className="note")], className="heading")
    return html.Section([heading, *content], className="card")


def _label(text: str) -> dict[str, Any]:
    return {"aria-label": text}


def _graph(name: str, label: str) -> html.Div:
    graph = dcc.Graph(id=name, figure=empty_figure(), config=_CHART, responsive=True, style={"height": "100%"})
    return html.Div(graph, className="chart", role="img", **_label(label))


def _episode(episode: Episode) -> html.Span:
    return html.Span(
        [
            html.Span(episode.sensor_id, className="who"),
            html.Span(KINDS[episode.kind] + _peak(episode, before=" "), className="what"),
            html.Time(
                _span(episode.started_at, episode.ended_at), dateTime=episode.started_at.isoformat(), className="when"
            ),
            html.Span(TIERS[episode.tier], className="many"),
        ],
        className="episode",
    )


def _peak(episode: Episode, *, before: str) -> str:
    return "" if episode.peak_value is None else f"{before}{episode.peak_value:,.1f} {unit(episode.unit)}"


def _part(part: Part) -> html.Li:
    return html.Li(
        [
            _sign(healthy=part.healthy),
            html.Span(_ABBREVIATED.get(part.name, part.name), className="name"),
            html.Span(part.detail, className="detail"),
        ],
        className="well" if part.healthy else "ill",
        title=f"checked at {part.checked_at:%H:%M:%S} UTC",
    )


def _sign(*, healthy: bool) -> html.Span:
    word = "healthy" if healthy else "not healthy"
    return html.Span("✓" if healthy else "!", className=f"sign {'well' if healthy else 'ill'}", role="img", title=word)


def _span(start: datetime, end: datetime) -> str:
    if start == end:
        return f"{start:%d %b %H:%M}"
    return (
        f"{start:%d %b %H:%M} – {end:%H:%M}"
        if start.date() == end.date()
        else f"{start:%d %b %H:%M} – {end:%d %b %H:%M}"
    )
