"""Receipts and cursors: text that comes back as it went out, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import TypeAdapter

from api import cursors
from sensorhouse.errors import Invalid, NotFound
from sensors_io.receipts import Place, Receipt, read, sign

KEY = "k" * 32
RECEIPT = Receipt(UUID(int=7), "readings", (Place(0, 12, 400), Place(3, 0, 1)))
POSITION: TypeAdapter[tuple[datetime, str]] = TypeAdapter(tuple[datetime, str])


def test_a_receipt_reads_as_it_was_signed() -> None:
    assert read(sign(RECEIPT, KEY), KEY) == RECEIPT


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: text.replace("r1.W", "r1.X"), lambda _: "", lambda _: "é.é"]
)
def test_a_receipt_that_was_changed_is_not_found(change: object) -> None:
    assert callable(change)
    with pytest.raises(NotFound):
        read(change(sign(RECEIPT, KEY)), KEY)


def test_a_receipt_of_another_key_is_not_found() -> None:
    with pytest.raises(NotFound):
        read(sign(RECEIPT, "o" * 32), KEY)


def test_a_cursor_reads_as_it_was_written() -> None:
    key = (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "probe-1")
    assert cursors.read(cursors.write(key), POSITION) == key
    assert cursors.read(None, POSITION) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "",
        cursors.write(("2026-01-02T00:00:00Z",)),
        cursors.write(("2026-01-02T00:00:00", "no zone")),
        cursors.write(("0001-01-01T00:00:00Z", "early")),
        cursors.write(("2026-01-02T00:00:00Z", "a\x00b")),
    ],
)
def test_a_cursor_that_nobody_wrote_is_invalid(cursor: str) -> None:
    with pytest.raises(Invalid):
        cursors.read(cursor, POSITION)
