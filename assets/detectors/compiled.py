"""Functions over arrays, compiled by numba at their first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function` as machine code, kept beside its module or in the home folder, for the next process.

    Where neither can be written each process compiles anew, for some seconds. Sums may be taken in any order; nan
    and infinities are not allowed in.
    """
    try:
        return cast(Callable[_P, _R], numba.njit(cache=True, fastmath=True, nogil=True)(function))
    except RuntimeError:
        # "no locator available": a read-only checkout.
        return cast(Callable[_P, _R], numba.njit(fastmath=True, nogil=True)(function))
