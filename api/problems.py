"""Errors as RFC 9457 problem documents, whatever went wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from sensorhouse.errors import (
    DependencyDown,
    Invalid,
    KeyMissing,
    Overloaded,
    Refused,
    TooLarge,
    TooMany,
    Unauthenticated,
    UnsupportedType,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

log = structlog.get_logger()


class Problem(BaseModel):
    """What went wrong. Further members: `errors` (422: one per field), `rejected` (readings), `request_id`."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str


# For the OpenAPI document: every operation may answer with one.
RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for code, text in {
        "4XX": "Refused; nothing was kept.",
        "422": "Refused: `errors` names the fields.",
        "503": "A server that this needs is away, or too much waits; after Retry-After, send the same again.",
    }.items()
}


def problem(
    scope: Scope,
    status: int,
    detail: str,
    *,
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> Response:
    """The response that tells a client what went wrong; `members` are added to the document."""
    title = title or HTTPStatus(status).phrase
    content = {
        "type": "urn:sensorhouse:problem:" + re.sub(r"[^a-z0-9]+", "-", title.lower()),
        "title": title,
        "status": status,
        "detail": detail,
        "instance": scope["path"],
        "request_id": scope.get("request_id"),
        **members,
    }
    return Response(orjson.dumps(content), status, dict(headers or {}), MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error that a handler raises with a problem document; the envelope does the unforeseen ones."""
    handlers: dict[type[Exception], Any] = {
        Refused: _refused,
        DependencyDown: _dependency_down,
        RequestValidationError: _invalid_request,
        HTTPException: _http_error,
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, handler)


async def _refused(request: Request, error: Refused) -> Response:
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="sensorhouse"'
    if isinstance(error, TooMany | Overloaded):
        headers["retry-after"] = str(RETRY_AFTER_S)
    return problem(request.scope, error.status, str(error), title=error.title, headers=headers)


async def _dependency_down(request: Request, error: DependencyDown) -> Response:
    # What exactly is away is for us, not for clients.
    log.warning("dependency_down", path=request.url.path, error=str(error))
    return problem(
        request.scope,
        503,
        "a server that this needs does not answer; whether it was kept is unknown, so send the same again",
        headers={"retry-after": str(RETRY_AFTER_S)},
    )


async def _invalid_request(request: Request, error: RequestValidationError) -> Response:
    errors = error.errors()
    if any(each["type"] == "missing" and each["loc"] == ("header", "Idempotency-Key") for each in errors):
        return await _refused(request, KeyMissing("send an Idempotency-Key: any text of your own, new for each order"))
    kind = request.headers.get("content-type", "")
    if errors[0]["loc"] == ("body",) and "json" not in kind:
        return problem(request.scope, 415, "send application/json", title=UnsupportedType.title)
    problems = [_field_error(each) for each in errors]
    places = dict.fromkeys(each.get("parameter", each.get("pointer", "")) for each in problems)
    return problem(request.scope, 422, f"mend {', '.join(places)}", title=Invalid.title, errors=problems)


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    """Where and why, without the value: it may be huge, secret, or not even text."""
    place, *path = error["loc"]
    detail = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "json_invalid":
        return {"pointer": "#", "detail": f"not JSON at character {path[0]}: {error['ctx']['error']}"}
    if place == "body":
        return {"pointer": _pointer(path), "detail": detail}
    return {"parameter": ".".join(map(str, path)), "in": str(place), "detail": detail}


def _pointer(path: Sequence[str | int]) -> str:
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


async def _http_error(request: Request, error: HTTPException) -> Response:
    details = {
        # FastAPI's, for a body that is not text.
        400: "the body is not JSON in UTF-8",
        404: "there is nothing at this address",
        405: f"{request.method} does not work here",
    }
    detail = details.get(error.status_code, error.detail)
    title = TooLarge.title if error.status_code == TooLarge.status else None
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = _methods(request.scope)
    return problem(request.scope, error.status_code, detail, title=title, headers=headers)


def _methods(scope: Scope) -> str:
    """What works at this address: a route knows its own methods only, and an address may have several routes."""

    def works(method: str) -> bool:
        asked = {**scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in scope["app"].routes)

    return ", ".join(filter(works, _METHODS))
