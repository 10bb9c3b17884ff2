"""Bodies compressed as clients do it."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pyarrow as pa


def zstd(content: bytes) -> bytes:
    """One frame of Zstandard."""
    compressed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return compressed


COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd}
