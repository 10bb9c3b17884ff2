"""The matrix of faults and results, filled by the tests and printed when they are through."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.faults.verdict import Verdict

HEADER = ("fault", "where", "runs", "acknowledged", "lost", "doubled", "result")


@dataclass
class Row:
    """One kind of fault, over all its runs."""

    fault: str
    where: str
    runs: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    failed: int = 0

    @property
    def cells(self) -> tuple[str, ...]:
        """As text."""
        result = f"{self.failed} of {self.runs} failed" if self.failed else "complete, once, both sinks"
        counts = (self.runs, self.acknowledged, self.lost, self.doubled)
        return (self.fault, self.where, *(f"{count:,}" for count in counts), result)


@dataclass
class Matrix:
    """Rows by fault and the place it struck."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    """Lines to print below the table: the seeds of what was random."""

    def begin(self, fault: str, where: str) -> Row:
        """Note that a test is about to do this; it counts as failed until `Row` hears of a good verdict."""
        row = self.rows.setdefault((fault, where), Row(fault, where))
        row.runs += 1
        row.failed += 1
        return row

    def add(self, row: Row, verdict: Verdict) -> None:
        """Note how it came out."""
        row.acknowledged += verdict.acknowledged
        row.lost += verdict.lost
        row.doubled += verdict.doubled
        row.failed -= verdict.is_good

    def lines(self) -> list[str]:
        """As a table in Markdown that also reads well as text."""
        table = [HEADER, *(row.cells for _, row in sorted(self.rows.items()))]
        widths = [max(len(line[i]) for line in table) for i in range(len(HEADER))]
        right = range(2, 6)
        written = [
            " | ".join(cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in cells)
            for cells in (list(enumerate(zip(line, widths, strict=True))) for line in table)
        ]
        rule = " | ".join("-" * (width - 1) + ":" if i in right else "-" * width for i, width in enumerate(widths))
        return [f"| {line} |" for line in (written[0], rule, *written[1:])]


MATRIX = Matrix()
"""That of this run."""
