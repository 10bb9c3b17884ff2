"""Requests that carry an Idempotency-Key: a repeat gets the answer of the first, and is told so.

After the IETF's draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import orjson
from fastapi import Header, Response
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from sensorhouse.errors import KeyReused
from warehouse.answers import Answer

REPLAYED = "idempotent-replayed"


def _name(given: str) -> str:
    """The key itself: the draft has it in quotes, most clients send it bare."""
    name = given[1:-1] if len(given) >= 2 and given[0] == given[-1] == '"' else given
    if not (name and name.isascii() and name.isprintable()):
        raise PydanticCustomError("key", "1 to 255 printable ASCII characters")
    return name


KeyHeader = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Any text of your own, new for each request; send a repeat with the same.",
        json_schema_extra={"pattern": "^[!-~]([ -~]*[!-~])?$"},
        examples=["5f3c1f0e-8a43-4f0c-9c0a-7f4c53a0b9f1"],
    ),
    AfterValidator(_name),
]
OptionalKeyHeader = Annotated[KeyHeader | None, Header(alias="Idempotency-Key")]


def fingerprint(*asked: object) -> bytes:
    """What tells one payload from another, however its JSON was written."""
    return hashlib.sha256(orjson.dumps(asked)).digest()


def check_same(known: bytes, asked: bytes) -> None:
    """Raise `KeyReused` unless the fingerprint known under a key is that of what is asked with it now."""
    if known != asked:
        raise KeyReused("this Idempotency-Key stood for another request before; take a new one for a new request")


def respond(answer: Answer, *, is_repeat: bool) -> Response:
    """The answer as it goes out; a repeat has the header `Idempotent-Replayed: true`."""
    headers = {"location": answer.location, "etag": answer.etag, REPLAYED: "true" if is_repeat else None}
    return Response(
        answer.body,
        answer.status,
        {name: value for name, value in headers.items() if value is not None},
        "application/json",
    )
