"""When dead letters are worth a warning, and how they are told."""

from __future__ import annotations

from assets.dead_letter_report import has_jumped, table
from warehouse.dead_letters import ReasonCount, Share


def test_a_few_dead_letters_are_no_jump() -> None:
    assert not has_jumped(Share(9, 10), Share(0, 1000))


def test_a_share_far_above_the_usual_is_a_jump() -> None:
    assert has_jumped(Share(50, 1000), Share(1, 1000))
    assert has_jumped(Share(50, 1000), Share(0, 0))


def test_a_share_that_is_usual_or_tiny_is_no_jump() -> None:
    assert not has_jumped(Share(50, 1000), Share(40, 1000))
    assert not has_jumped(Share(50, 100_000), Share(0, 100_000))


def test_reasons_are_a_table_whatever_they_hold() -> None:
    told = table([ReasonCount("readings", "a | b\nc", 1, 2000)])
    assert told.splitlines()[2:] == ["| readings | a \\| b c | 1 | 2,000 |"]
    assert table([]) == "None."
