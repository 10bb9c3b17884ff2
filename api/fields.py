"""The types of the values that clients send."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

AnyDate = TypeVar("AnyDate", bound=date)

LARGEST_INTEGER = 2**31 - 1

_CONTROL = r"\x00-\x1f\x7f"
_CONTROL_BUT_LINES = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
YEARS = range(1970, 2200)
_IN_RANGE = {"pattern": r"^(19[7-9]|2[01]\d)\d-"}


class Strict(BaseModel):
    """A body or a query string in which an unknown name is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")


def _without(characters: str) -> Callable[[str], str]:
    some = re.compile(f"[{characters}]")

    def checked(text: str) -> str:
        if some.search(text):
            raise ValueError("has a control character")
        return text

    return checked


def _told_without(characters: str) -> JsonDict:
    """The same for the document."""
    return {"pattern": f"^[^{characters}]*$"}


def _iso(value: object) -> object:
    # pydantic would take any number, also as text, for seconds since 1970: `20240101` would be a day of August 1970.
    if not isinstance(value, date) and not (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value)):
        raise ValueError("give an ISO 8601 date or time, like 2026-01-31 or 2026-01-31T08:30:00Z")
    return value


def _in_range(value: AnyDate) -> AnyDate:
    if value.year not in YEARS:
        raise ValueError("the year is out of range")
    return value


def _as_utc(value: datetime) -> datetime:
    return _in_range(value).astimezone(UTC)


Word = Annotated[
    str,
    Field(min_length=1, max_length=128, json_schema_extra=_told_without(_CONTROL)),
    AfterValidator(_without(_CONTROL)),
]
Notes = Annotated[
    str,
    Field(max_length=2000, json_schema_extra=_told_without(_CONTROL_BUT_LINES)),
    AfterValidator(_without(_CONTROL_BUT_LINES)),
]
Quantity = Annotated[int, Field(strict=True, gt=0, le=LARGEST_INTEGER)]
Day = Annotated[date, Field(json_schema_extra=_IN_RANGE), BeforeValidator(_iso), AfterValidator(_in_range)]
Instant = Annotated[AwareDatetime, Field(json_schema_extra=_IN_RANGE), BeforeValidator(_iso), AfterValidator(_as_utc)]
Cursor = Annotated[str, Field(max_length=1000, description="`next` of the page before.")]
Username = Annotated[
    str,
    Field(min_length=2, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"),
    AfterValidator(str.lower),
]
# U+0085 is space to pydantic's expressions, but not to those of the document's readers.
Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s\x00-\x1f\x85]+@[^@\s\x00-\x1f\x85]+$")]
