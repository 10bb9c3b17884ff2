"""The steps of a drain, by name: between any two of them lies an operation on a server."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """What was just done. A drain may die at any of these and nothing is lost or doubled; the tests kill it at each."""

    TOPIC_DESCRIBED = "topic described"
    PARTITIONS_LOCKED = "partitions locked"
    LEDGER_READ = "ledger read"
    RAW_MARKS_READ = "raw marks read"
    DEAD_MARKS_READ = "dead letters' marks read"
    MARKS_REPORTED = "marks reported"
    SLICE_READ = "slice read"
    SLICE_DECODED = "slice decoded"
    TOPIC_CONFIRMED = "topic confirmed"
    LEDGER_ADVANCED = "ledger advanced"
    ROWS_COPIED = "rows copied"
    DEAD_LETTERS_COPIED = "dead letters copied"
    WAREHOUSE_COMMITTED = "warehouse committed"
    RAW_COMMITTED = "lake's raw rows committed"
    DEAD_LETTERS_COMMITTED = "lake's dead letters committed"
    LAKE_REPORTED = "lake commits reported"
    OFFSETS_MIRRORED = "group offsets mirrored"
    SINKS_FINISHED = "both sinks finished"
    BALANCE_TAKEN = "balance taken"


AtStep = Callable[[Step], None]
"""Called at each step; it may kill the process."""


def no_step(_: Step) -> None:
    """What a drain calls when nobody listens."""
