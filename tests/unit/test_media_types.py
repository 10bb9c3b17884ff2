"""Which media type a request gets, by its `Accept`."""

from __future__ import annotations

import pytest

from api.media_types import best

OFFERED = ("application/json", "application/x-ndjson", "text/csv")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv;q=0.5, application/x-ndjson;q=0.9", "application/x-ndjson"),
        ("text/csv;q=0.9, */*;q=0.1", "text/csv"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=0, */*", "application/x-ndjson"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/html", None),
        ("text/csv;q=0", None),
        ("not a media type", None),
    ],
)
def test_the_type_that_is_liked_best_is_chosen(accept: str, expected: str | None) -> None:
    assert best([accept], OFFERED) == expected


def test_without_the_header_the_first_is_chosen_and_several_headers_count_as_one() -> None:
    assert best([], OFFERED) == "application/json"
    assert best(["text/csv;q=0.5", "application/x-ndjson"], OFFERED) == "application/x-ndjson"
