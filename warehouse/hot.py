"""The hot window: which event days the warehouse keeps."""

from __future__ import annotations

from datetime import date, datetime, timedelta


def first_hot_day(hot_days: int, now: datetime) -> date:
    """The first event day of which the warehouse has every reading; older ones may be in the lake only."""
    return now.date() - timedelta(days=hot_days)
