"""Counts, durations and units as people write them."""

from __future__ import annotations

_UNITS = {"F": "°F", "C": "°C"}
_SIZES = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def plural(count: int, noun: str) -> str:
    """The noun, in the number that goes with the count."""
    return noun if count == 1 else f"{noun}s"


def duration(seconds: float) -> str:
    """In the largest unit that it fills: `17 days`, `12 s`."""
    for size, name in _SIZES:
        if seconds >= size:
            many = int(seconds // size)
            return f"{many} {plural(many, name)}"
    return f"{seconds:.0f} s"


def unit(symbol: str) -> str:
    """A unit as it is written behind a number."""
    return _UNITS.get(symbol, symbol)
