"""The live dashboard's key numbers, each with its unit and what it means."""

from __future__ import annotations

from dash import html

from api.dashboard import Snapshot
from api.words import duration, plural


def tiles(seen: Snapshot | None) -> list[html.Div]:
    """The key numbers; a dash for what is not known."""
    if seen is None:
        names = ("Readings stored", "Readings per second", "Freshness", "Lag", "Orders", "Anomalies", "Dead letters")
        return [_tile(name, "–", "", "waiting for data") for name in names]
    known = [topic_lag for topic_lag in seen.lag.values() if topic_lag is not None]
    complete = bool(known) and len(known) == len(seen.lag)
    return [
        _tile("Readings stored", _big(seen.readings_stored), "", _repeats(seen), title=f"{seen.readings_stored:,}"),
        _tile("Readings per second", f"{seen.readings_per_s:,.0f}", "/s", "mean of the last minute"),
        _freshness(seen),
        _tile(
            "Lag",
            f"{sum(known):,}" if complete else "–",
            plural(sum(known), "message") if complete else "",
            _lags(seen.lag),
        ),
        _tile(
            "Orders",
            f"{sum(seen.orders_by_status.values()):,}",
            "",
            f"{seen.orders_last_minute:,} in the last minute, {seen.orders_last_hour:,} in the last hour",
        ),
        _tile("Anomalies", f"{seen.anomalies_last_day:,}", "in 24 h", f"{seen.anomalies:,} in all"),
        _tile("Dead letters", f"{seen.dead_letters:,}", "", "kept with their bytes and the reason"),
    ]


def _tile(name: str, number: str, unit: str, note: str, *, kind: str = "", title: str | None = None) -> html.Div:
    value = [html.Span(number, className="figure")] + ([html.Span(unit, className="unit")] if unit else [])
    return html.Div(
        [html.Dt(name), html.Dd(value, className="value", title=title), html.Dd(note, className="note")],
        className=f"tile {kind}".strip(),
    )


def _freshness(seen: Snapshot) -> html.Div:
    if seen.freshness_s is not None:
        return _tile("Freshness", f"{seen.freshness_s:.1f}", "s", "from Kafka to a query, median")
    if seen.last_loaded_at is None:
        return _tile("Freshness", "–", "", "nothing loaded yet")
    idle = duration((seen.taken_at - seen.last_loaded_at).total_seconds())
    return _tile("Freshness", "idle", "", f"nothing new for {idle}", kind="idle")


def _big(count: int) -> str:
    """In full as long as it fits a tile."""
    return f"{count:,}" if count < 100_000_000 else f"{count / 1e6:,.1f} M"


def _repeats(seen: Snapshot) -> str:
    return f"{seen.duplicates:,} {plural(seen.duplicates, 'duplicate')}, {seen.revisions:,} revised"


def _lags(lag: dict[str, int | None]) -> str:
    return ", ".join(f"{name} {'unknown' if late is None else f'{late:,}'}" for name, late in lag.items())
