"""Units and their test results as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.fields import Strict
from warehouse.units import Counts, Unit

Result = Literal["passed", "failed", "untested"]


class TestedUnit(Strict):
    """One built sensor, and what its test says."""

    sensor_id: str
    line_id: str
    built_at: datetime
    result: Result = Field(
        description=(
            "`untested` until readings come, of its product's sensor type and unit of measurement and of a time since "
            "`built_at`; `failed` when one of them lies outside of the product's limits, or when an anomaly other than "
            "a drop-out began since and stands."
        )
    )
    readings: int = Field(description="How many readings its test had, repeats included.")
    reasons: list[str] = Field(description="Why it has failed: the first bad reading, the first anomalies.")


class EnteredUnits(Strict):
    """The units that were named, by serial."""

    items: list[TestedUnit]


class UnitPage(EnteredUnits):
    """Units, by serial; `next` is the cursor of the next page, or null."""

    next: str | None


class UnitCounts(Strict):
    """How an order's units do in their tests."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True)

    built: int
    passed: int
    failed: int
    untested: int
    yield_: float | None = Field(alias="yield", description="passed / (passed + failed); null while none is tested.")


_SHOWN = tuple(TestedUnit.model_fields)


def unit_json(unit: Unit) -> dict[str, Any]:
    """The unit as a `TestedUnit`."""
    return {name: getattr(unit, name) for name in _SHOWN}


def counts_json(counts: Counts) -> dict[str, Any]:
    """The counts as `UnitCounts`."""
    tested = counts.passed + counts.failed
    return {
        "built": counts.built,
        "passed": counts.passed,
        "failed": counts.failed,
        "untested": counts.untested,
        "yield": counts.passed / tested if tested else None,
    }
