"""Traces: which header is believed, and what is passed on."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.traces import trace_id, traceparent

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{PARENT}-01"
NEW = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00")

hex_ids = {length: st.text("0123456789abcdef", min_size=length, max_size=length) for length in (2, 16, 32)}


def is_new(made: str) -> bool:
    return NEW.fullmatch(made) is not None and trace_id(made) != TRACE


@given(hex_ids[32].filter(lambda text: text.strip("0")), hex_ids[16].filter(lambda text: text.strip("0")), hex_ids[2])
def test_a_valid_header_is_passed_on_as_it_came(trace: str, parent: str, flags: str) -> None:
    header = f"00-{trace}-{parent}-{flags}"
    assert traceparent(header.encode()) == header
    assert trace_id(header) == trace


def test_each_request_without_a_header_begins_a_trace_of_its_own() -> None:
    made = {traceparent(None) for _ in range(100)}
    assert len({trace_id(each) for each in made}) == 100
    assert all(map(is_new, made))


@pytest.mark.parametrize(
    "header",
    [
        "",
        GOOD.upper(),
        GOOD + "-00",
        GOOD + "-",
        GOOD + " ",
        GOOD + "\n",
        GOOD[:-1],
        f"{GOOD},{GOOD}",
        f"cc-{TRACE}-{PARENT}-01-x,{GOOD}",
        f"cc-{TRACE}-{PARENT}-01x",
        f"ff-{TRACE}-{PARENT}-01",
        f"ff-{TRACE}-{PARENT}-01-x",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"0-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-0g",
        f"00_{TRACE}_{PARENT}_01",
        f"00-{TRACE[1:]}-{PARENT}-01",
        "0" * 1_000_000,
    ],
)
def test_a_malformed_header_is_ignored(header: str) -> None:
    assert is_new(traceparent(header.encode()))


@pytest.mark.parametrize("more", ["", "-", "-what the future holds"])
@pytest.mark.parametrize(("flags", "passed_on"), [("01", "01"), ("ff", "01"), ("fe", "00")])
def test_a_later_version_is_understood_and_passed_on_as_the_one_known_here(
    more: str, flags: str, passed_on: str
) -> None:
    assert traceparent(f"cc-{TRACE}-{PARENT}-{flags}{more}".encode()) == f"00-{TRACE}-{PARENT}-{passed_on}"


@given(st.binary(max_size=80) | st.text("0123456789abcdef-", max_size=60).map(str.encode))
def test_whatever_bytes_come_a_valid_one_goes_on(header: bytes) -> None:
    assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", traceparent(header))
