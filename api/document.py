"""What the OpenAPI document tells beyond the signatures: which headers answers have, and where they lead."""

from __future__ import annotations

from typing import Any

from agent.order_states import EVENTS, NEXT
from api.problems import Problem

Object = dict[str, Any]

_ORDER_ID = "$response.body#/order_id"


def _link(operation: str, description: str, **parameters: str) -> Object:
    return {"operationId": operation, "description": description, "parameters": parameters}


def _header(description: str, *, required: bool = False) -> Object:
    return {"description": description, "required": required, "schema": {"type": "string"}}


def _step(operation: str, description: str, **more: Object) -> Object:
    """A step of the order as it stands in the answer: meant for that version."""
    version = {"order_id": _ORDER_ID, "If-Match": "$response.header.ETag"}
    return _link(operation, description, **version) | more


# The states that orders are moved into, from those that lead there; `expired` is the clock's.
_MOVES = {
    status: [before for before, following in NEXT.items() if status in following]
    for status in EVENTS
    if status not in ("accepted", "rejected", "expired")
}
_ORDER_LINKS = {
    "order": _link("get_order", "The order as it is by now.", order_id=_ORDER_ID),
    "history": _link("get_history", "What happened to it.", order_id=_ORDER_ID),
    "units": _link("list_units", "The units that were built for it.", order_id=_ORDER_ID),
    "approve": _step("approve_order", "Accept it, if it waits for approval."),
    "reject": _step("reject_order", "Reject it, if it waits for approval."),
    **{
        status: _step("move_order", f"Bring it there, from {' or '.join(before)}.", requestBody={"status": status})
        for status, before in _MOVES.items()
    },
}
_ETAG = {"ETag": _header("The order's version, for If-Match.", required=True)}
_REPLAYED = {"Idempotent-Replayed": _header("`true` when this is the answer to an earlier request with the same key.")}

SIGNED_IN: dict[int | str, Object] = {
    200: {
        "links": {
            "place": _link("place_order", "Order, as this user."),
            "orders": _link("list_orders", "The orders that this user sees."),
        }
    }
}
ORDER: dict[int | str, Object] = {200: {"headers": _ETAG, "links": _ORDER_LINKS}}
MOVED: dict[int | str, Object] = {200: {"headers": _ETAG | _REPLAYED, "links": _ORDER_LINKS}}
PLACED: dict[int | str, Object] = {
    201: {
        "headers": {"Location": _header("The order's address.", required=True)} | _ETAG | _REPLAYED,
        "links": _ORDER_LINKS,
    }
}
UPLOADED: dict[int | str, Object] = {
    202: {"links": {"receipt": _link("where", "Where the readings are.", receipt_id="$response.body#/receipt_id")}}
}
NEXT_PAGE_HEADER = {"Link": _header("The next page, while there is one.")}


def next_page(operation: str) -> dict[str, Object]:
    """The link from a page to the one after it, which has the same filters."""
    return {"next": _link(operation, "The next page, while there is one.", cursor="$response.body#/next")}


def completed(document: Object) -> Object:
    """FastAPI's document, with what it can't know."""
    # Named by every operation's responses, but returned by none, so FastAPI would not describe it.
    document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []):
                _require_if_match(parameter)
    return document


def _require_if_match(parameter: Object) -> None:
    # Optional to FastAPI, so that the answer without it can name the version.
    if parameter["name"] == "If-Match":
        parameter["required"] = True
