"""Python's garbage collector, told how a server's memory lives: long what it started with, briefly all else."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# By default it looks after 700 new objects; five thousand requests that wait are a million, and it would look at them
# all, over and over.
_THRESHOLDS = (200_000, 50, 1000)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """For as long as the block lasts the collector runs seldom, and never over what was there before."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
