"""What the page of one order consists of, as pure functions of what is shown."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from api.details import OrderSeen
from api.frame import REFRESH_MS, card, facts, heading, moment, sensor_link, state, table
from api.unit_json import counts_json
from warehouse.orders import Order
from warehouse.units import Counts


def layout(order_id: str) -> html.Div:
    """The page before the first data."""
    return html.Div(
        [
            heading("Order", order_id, html.Span(id="order-told")),
            html.Div(
                [
                    card("History", "each step, who took it and why", html.Div(id="order-history")),
                    card("Ordered", "and how it was decided", html.Div(id="order-facts")),
                ],
                className="row",
            ),
            card("Units", html.Span(id="order-yield"), html.Div(id="order-units")),
            dcc.Store(id="order", data=order_id),
            dcc.Store(id="order-shown"),
            dcc.Interval(id="order-refresh", interval=REFRESH_MS),
        ],
        className="view",
    )


def told(order: Order) -> list[Any]:
    """How it stands."""
    return [state(order.status), " since ", moment(order.updated_at), " UTC"]


def ordered(order: Order) -> html.Dl:
    """What was ordered, and what the policy said of it."""
    return facts(
        {
            "Product": order.sku,
            "Quantity": f"{order.quantity:,}",
            "Customer": order.customer_id,
            "Value": f"{order.value:,.2f}",
            "Wanted for": f"{order.requested_for:%d %b %Y}" if order.requested_for else None,
            "Notes": order.notes or None,
            "Reason": order.reason or "no rule of the policy spoke against it",
            "Policy": order.policy_version,
            "Version": order.version,
            "To approve by": moment(order.approve_by)
            if order.status == "pending_approval" and order.approve_by
            else None,
        }
    )


def history(seen: OrderSeen) -> html.Div:
    """Each step, the newest last."""
    rows = [
        [
            moment(event.occurred_at),
            state(event.status),
            event.actor,
            event.reason or (f"policy {event.policy_version}" if event.policy_version else "–"),
        ]
        for event in seen.history
    ]
    return table("History", {"When, UTC": "", "State": "", "By": "", "Why": "long"}, rows)


def yield_of(counts: Counts, quantity: int) -> str:
    """How many were built, and what their tests say."""
    share = counts_json(counts)["yield"]
    known = "not known yet" if share is None else f"{share:.1%}"
    return (
        f"{counts.built:,} of {quantity:,} built: {counts.passed:,} passed, {counts.failed:,} failed, "
        f"{counts.untested:,} untested; yield {known}"
    )


def units(seen: OrderSeen) -> Any:
    """The first units by serial, each with the way to its sensor."""
    if not seen.units:
        return html.P("None built so far.", className="empty")
    rows = [
        [
            sensor_link(unit.sensor_id),
            state(unit.result),
            unit.reasons[0] if unit.reasons else "–",
            f"{unit.readings:,}",
            unit.line_id,
        ]
        for unit in seen.units
    ]
    return table("Units", {"Sensor": "", "Test": "", "Why": "long", "Readings": "number", "Line": ""}, rows)
