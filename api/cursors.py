"""Cursors: the last row of a page as text, from which the next page goes on."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from api.fields import YEARS
from sensorhouse.errors import Invalid

Key = TypeVar("Key", bound=tuple[Any, ...])


def write(key: tuple[Any, ...]) -> str:
    """The key of the last row as text that goes in a URL."""
    return urlsafe_b64encode(orjson.dumps(key)).rstrip(b"=").decode()


def read(cursor: str | None, kind: TypeAdapter[Key]) -> Key | None:
    """The key that `write` was given; raises `Invalid` when it is no such text."""
    if cursor is None:
        return None
    try:
        content = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        key = kind.validate_json(content)
    except (ValueError, ValidationError) as error:
        raise Invalid("the cursor is not one of a page of this list") from error
    if not all(map(_possible, key)):
        raise Invalid("the cursor is not one of a page of this list")
    return key


def _possible(part: object) -> bool:
    """Whether Postgres takes it: somebody may have made the cursor up."""
    if isinstance(part, datetime):
        return part.tzinfo is not None and part.year in YEARS
    return not isinstance(part, str) or "\x00" not in part
