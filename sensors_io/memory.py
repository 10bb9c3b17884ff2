"""How a process that moves millions of small objects keeps its memory small and its garbage collector quiet."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Look for no cycles meanwhile: hundreds of thousands of short-lived objects would have all be searched often."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def lean() -> Iterator[None]:
    """For a drain: search new objects only for cycles, and let Arrow take memory where everybody else does.

    What was imported is much, and stays. A pool of Arrow's own keeps for itself what others could use: a tenth of all
    that a drain holds.
    """
    pool = pa.default_memory_pool()
    gc.freeze()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)
        gc.unfreeze()
