"""What the page of all sensors and orders consists of, as pure functions of what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from api.dashboard import Health
from api.frame import (
    KINDS,
    REFRESH_MS,
    TIERS,
    card,
    graph,
    label,
    moment,
    order_link,
    peak,
    sensor_link,
    sign,
    span,
    state,
    table,
)
from api.health import Part
from api.tiles import tiles
from warehouse.episodes import Episode
from warehouse.metrics import RATE_MINUTES
from warehouse.orders import Order

CURVE_REFRESH_MS = 10_000

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
_ABBREVIATED = {"api": "API"}
_HIDDEN: dict[str, Any] = {"aria-hidden": "true"}


def layout() -> html.Div:
    """The page before the first data; the callbacks fill the parts that have an id."""
    return html.Div(
        [
            html.Section(
                html.Dl(tiles(None), id="tiles", className="tiles"),
                id="numbers",
                **label("Key numbers"),
            ),
            html.Div(
                [
                    card(
                        "Readings per second",
                        f"last {RATE_MINUTES} minutes, as loaded into the warehouse",
                        graph("rates", "Line chart of the readings loaded per second"),
                    ),
                    card("Orders by state", "all orders", html.Div(id="orders")),
                ],
                className="row",
            ),
            html.Div(
                [
                    card(
                        "Latest anomalies",
                        "choose one to see its curve",
                        dcc.RadioItems(id="episode", options=[], className="episodes"),
                        html.P("None found so far.", id="no-episodes", className="empty"),
                    ),
                    card(
                        "Sensor curve",
                        html.Span(id="curve-title"),
                        graph("curve", "Line chart of the sensor's values, the abnormal time marked"),
                    ),
                ],
                className="row swapped",
            ),
            card("Latest orders", "the newest first", html.Div(id="latest-orders")),
            card("Health", "each part, checked while somebody watches", html.Ul(id="parts", className="parts")),
            dcc.Store(id="shown"),
            dcc.Interval(id="refresh", interval=REFRESH_MS),
            dcc.Interval(id="redraw", interval=CURVE_REFRESH_MS),
        ],
        className="view",
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


def latest_orders(newest: Sequence[Order]) -> Any:
    """The newest orders, each with the way to its page."""
    if not newest:
        return html.P("None so far.", className="empty")
    rows = [
        [
            order_link(order.order_id),
            state(order.status),
            order.sku,
            f"{order.quantity:,}",
            order.customer_id,
            moment(order.created_at),
        ]
        for order in newest
    ]
    columns = {"Order": "", "State": "", "Product": "", "Quantity": "number", "Customer": "", "Placed, UTC": ""}
    return table("Latest orders", columns, rows)


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
    since = f" {span(episode)}" if episode.is_silent else ""
    return f"{episode.sensor_id}, {episode.metric}: {KINDS[episode.kind]}{since}{peak(episode, before=', ')}"


def parts(health: Health) -> list[html.Li]:
    """One line per part, the ill ones first."""
    return [_part(part) for part in sorted(health.parts, key=lambda part: part.healthy)]


def _episode(episode: Episode) -> html.Span:
    return html.Span(
        [
            html.Span(sensor_link(episode.sensor_id, episode=episode), className="who"),
            html.Span(KINDS[episode.kind] + peak(episode, before=" "), className="what"),
            html.Time(span(episode), dateTime=episode.started_at.isoformat(), className="when"),
            html.Span(TIERS[episode.tier], className="many"),
        ],
        className="episode",
    )


def _part(part: Part) -> html.Li:
    return html.Li(
        [
            sign(healthy=part.healthy),
            html.Span(_ABBREVIATED.get(part.name, part.name), className="name"),
            html.Span(part.detail, className="detail"),
        ],
        className="well" if part.healthy else "ill",
        title=f"checked at {part.checked_at:%H:%M:%S} UTC",
    )
