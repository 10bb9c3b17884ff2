"""Links to the next page."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from api.links import next_page


def test_the_next_page_is_asked_for_with_the_same_filters_and_another_cursor() -> None:
    query = "sensor_id=a%26b%20c&start=2026-01-01T00:00:00%2B01:00&cursor=old&limit=7&metric="
    header = next_page("/sensors/data", query, "new")["link"]
    address, _, relation = header.partition("; ")
    assert relation == 'rel="next"'
    parts = urlsplit(address.strip("<>"))
    assert parts.path == "/sensors/data"
    assert dict(parse_qsl(parts.query, keep_blank_values=True)) == {
        "sensor_id": "a&b c",
        "start": "2026-01-01T00:00:00+01:00",
        "limit": "7",
        "metric": "",
        "cursor": "new",
    }


def test_nothing_that_a_client_sends_ends_the_link_or_the_header() -> None:
    header = next_page("/a>b\r\n", 'sensor_id=%3E%0D%0A";rel=x', "c")["link"]
    assert header.count(">") == 1
    assert "\n" not in header


def test_the_last_page_has_no_link() -> None:
    assert next_page("/orders/", "limit=1", None) == {}
