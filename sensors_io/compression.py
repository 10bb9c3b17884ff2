"""Bodies that came compressed, expanded no further than a limit."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from sensorhouse.errors import Invalid, TooLarge, UnsupportedCoding

CODINGS = ("gzip", "zstd")
# Names that HTTP takes for the same (RFC 9110, 8.4.1), and the one of no coding at all.
_NAMES: dict[str, Literal["gzip", "zstd"]] = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
_NONE = ("", "identity")


def expanded(body: bytes, coding: str, *, most_bytes: int) -> bytes:
    """The body without its content coding; stops as soon as it comes to more than `most_bytes`.

    Raises `UnsupportedCoding` for any other coding and for several, `TooLarge`, and `Invalid` for a broken or cut
    stream.
    """
    name = coding.strip().lower()
    if name in _NONE:
        return body
    if name not in _NAMES:
        raise UnsupportedCoding(f"send it as it is or as {' or '.join(CODINGS)}")
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), _NAMES[name]) as stream:
            content = stream.read(most_bytes + 1)
    except OSError as error:
        raise Invalid(f"the body is no whole {_NAMES[name]} stream") from error
    if len(content) > most_bytes:
        raise TooLarge(f"the body expands to more than {most_bytes:,} bytes; send it in parts")
    return content
