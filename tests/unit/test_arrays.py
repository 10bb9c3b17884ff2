"""Threads may make their first series of an array at the same moment."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["sensors_io.reading", "sensors_io.slices", "warehouse.checksums"])
def test_numpy_is_found_by_polars_before_threads_begin(module: str) -> None:
    # Polars first, as where somebody else imported it: then it holds a proxy for numpy.
    looked = f"import polars._dependencies as found, {module}; assert 'ndarray' in vars(found.numpy)"
    subprocess.run([sys.executable, "-c", looked], check=True, timeout=60)
