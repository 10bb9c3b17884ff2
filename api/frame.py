"""What all live pages have in common: the header and the clocks around them, cards, charts, links and times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import quote
from uuid import UUID

from dash import dcc, html, no_update

from api.charts import empty_figure
from api.dashboard import Health
from api.words import unit
from warehouse.episodes import Episode

REFRESH_MS = 2_000
TICK_MS = 1_000
SENSORS, ORDERS = "/live/sensors/", "/live/orders/"
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


def frame(*, elsewhere: Mapping[str, str], signed_in: bool) -> html.Div:
    """Any page before it is known which; `view` is filled for the address. `elsewhere` are links, by their names."""
    return html.Div(
        [
            html.A("Skip to the content", href="#view", className="skip"),
            _header(elsewhere, signed_in=signed_in),
            html.Div("No new data", id="stale", className="stale", role="alert", hidden=True),
            html.Main(id="view", tabIndex="-1"),
            dcc.Location(id="address", refresh=False),
            dcc.Interval(id="pulse", interval=REFRESH_MS),
            dcc.Interval(id="tick", interval=TICK_MS),
            dcc.Store(id="taken-at"),
            dcc.Store(id="title"),
        ],
        className="page",
    )


def overall(health: Health) -> list[Any]:
    """The state of everything in a few words."""
    ill = [part.name for part in health.parts if not part.healthy]
    if not ill:
        return [sign(healthy=True), f"All {len(health.parts)} parts are healthy"]
    names = ill[0] if len(ill) == 1 else f"{len(ill)} of {len(health.parts)} parts"
    return [sign(healthy=False), f"{names} {'needs' if len(ill) == 1 else 'need'} attention"]


def heading(kind: str, name: str, note: Any) -> html.Div:
    """The top of a page about one thing, with the way back."""
    back = html.Nav(html.A("All sensors and orders", href="/"), className="back", **label("Back"))
    title = html.H2([html.Span(f"{kind} ", className="kind"), name])
    return html.Div([back, title, html.Div(note, className="note")], className="subject")


def card(title: str, note: Any, *content: Any) -> html.Section:
    """A part of a page under its own title."""
    top = html.Div([html.H2(title), html.P(note, className="note")], className="heading")
    return html.Section([top, *content], className="card")


def facts(pairs: dict[str, Any]) -> html.Dl:
    """What is known of a thing, each under its name; what is not known is left out."""
    known = [html.Div([html.Dt(name), html.Dd(told)]) for name, told in pairs.items() if told is not None]
    return html.Dl(known, className="facts")


def table(caption: str, columns: dict[str, str], rows: list[list[Any]]) -> html.Div:
    """Rows under columns, each named with what it holds: `""`, `number` or `long` text; it scrolls where it must."""
    kinds = columns.values()
    head = html.Tr([html.Th(name, scope="col", className=kind) for name, kind in columns.items()])
    body = [html.Tr([html.Td(cell, className=kind) for cell, kind in zip(row, kinds, strict=True)]) for row in rows]
    told = html.Table(
        [html.Caption(caption, className="unseen"), html.Thead(head), html.Tbody(body)], className="table"
    )
    # Reachable by keyboard, or what lies outside could not be scrolled to.
    return html.Div(told, className="scroll", tabIndex="0", role="region", **label(caption))


def graph(name: str, told: str) -> html.Div:
    """A chart, and what it is for those who can't see it."""
    chart = dcc.Graph(id=name, figure=empty_figure(), config=_CHART, responsive=True, style={"height": "100%"})
    return html.Div(chart, className="chart", role="img", **label(told))


def sign(*, healthy: bool) -> html.Span:
    """A mark that differs in shape, not in colour alone."""
    word = "healthy" if healthy else "not healthy"
    return html.Span("✓" if healthy else "!", className=f"sign {'well' if healthy else 'ill'}", role="img", title=word)


def label(text: str) -> dict[str, Any]:
    """A name for those who have the page read out."""
    return {"aria-label": text}


def sensor_link(sensor_id: str, *, episode: Episode | None = None) -> html.A:
    """The sensor's page; with an episode, at its time."""
    return html.A(sensor_id, href=f"{SENSORS}{quote(sensor_id, safe='')}{_at(episode) if episode else ''}")


def episode_link(episode: Episode, *, is_shown: bool) -> html.A:
    """On a sensor's page, to where its curve shows the episode."""
    mark: dict[str, Any] = {"aria-current": "true"} if is_shown else {}
    return html.A(span(episode), href=_at(episode), **mark)


def order_link(order_id: UUID) -> html.A:
    """The order's page; its id ends in what tells it from others."""
    return html.A(f"…{str(order_id)[-8:]}", href=f"{ORDERS}{order_id}", title=str(order_id))


def state(status: str) -> html.Span:
    """An order's status or a test's result."""
    return html.Span(status.replace("_", " "), className=f"state {status}")


def moment(at: datetime) -> html.Time:
    """A time to the second."""
    return html.Time(f"{at:%d %b %H:%M:%S}", dateTime=at.isoformat(), title=f"{at:%Y-%m-%d %H:%M:%S} UTC")


def span(episode: Episode) -> str:
    """From when to when; of a sensor that is still silent, since when."""
    start, end = episode.started_at, episode.ended_at
    if episode.is_silent:
        return f"since {start:%d %b %H:%M}"
    if start == end:
        return f"{start:%d %b %H:%M}"
    return (
        f"{start:%d %b %H:%M} – {end:%H:%M}"
        if start.date() == end.date()
        else f"{start:%d %b %H:%M} – {end:%d %b %H:%M}"
    )


def peak(episode: Episode, *, before: str = "") -> str:
    """What was most abnormal, with its unit; nothing when nothing was measured."""
    return "" if episode.peak_value is None else f"{before}{episode.peak_value:,.1f} {unit(episode.unit)}"


def unless_shown(shown: dict[str, str] | None, **parts: Any) -> tuple[Any, ...]:
    """The parts, without those that the browser shows already, and what it shows then.

    What is put in anew loses the focus, and what is read out begins again.
    """
    digests = {name: blake2b(repr(part).encode(), digest_size=8).hexdigest() for name, part in parts.items()}
    known = shown or {}
    return (*(no_update if known.get(name) == digests[name] else part for name, part in parts.items()), digests)


def _at(episode: Episode) -> str:
    return f"?metric={quote(episode.metric)}&episode={episode.episode_id}"


def _header(elsewhere: Mapping[str, str], *, signed_in: bool) -> html.Header:
    links = [html.A(name, href=url, target="_blank", rel="noopener") for name, url in elsewhere.items()]
    find = dcc.Input(id="find", name="q", type="search", placeholder="Sensor or order id")
    return html.Header(
        [
            html.Div(
                [
                    html.H1(html.A("Sensorhouse", href="/")),
                    html.Div("…", id="overall", className="overall", role="status"),
                ]
            ),
            html.Div(
                [
                    html.Form(
                        [html.Label("Find", htmlFor="find", className="unseen"), find],
                        action="/live/find",
                        method="get",
                        role="search",
                    ),
                    html.Span(["updated ", html.Time("–", id="updated")], className="updated"),
                    html.Nav(links, **label("Elsewhere")),
                    html.Form(html.Button("Sign out"), action="/sign-out", method="post", hidden=not signed_in),
                ],
                className="aside",
            ),
        ]
    )
