"""Which readings are taken, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import polars as pl


def judge(
    readings: pl.DataFrame, *, sensor_types: Collection[str], seen_at: datetime | pl.Expr
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split into those to keep and those to reject, the latter with a column `reason`.

    `readings` has `index` and the columns of READING; `seen_at` is when they arrived.
    """
    raise NotImplementedError
