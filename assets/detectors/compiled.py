"""Functions over arrays, compiled by numba at their first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R], *, is_exact: bool = False) -> Callable[_P, _R]:
    """`function` as machine code, kept beside its module or in the home folder, for the next process.

    Where neither can be written each process compiles anew, for some seconds. Sums may be taken in any order, and nan
    and infinities are not allowed in; unless `is_exact`, which computes in the order written, as numpy does.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": not is_exact}
    try:
        return cast(Callable[_P, _R], numba.njit(cache=True, **options)(function))
    except RuntimeError:
        # "no locator available": a read-only checkout.
        return cast(Callable[_P, _R], numba.njit(**options)(function))


def compiled_exactly(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function` as machine code that computes in the order written: the same numbers give the same bits."""
    return compiled(function, is_exact=True)
