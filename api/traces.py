"""The trace that a request belongs to, as W3C Trace Context has it: another's that goes on here, or one that begins."""

from __future__ import annotations

import os
import re

# Version, trace id, parent id, flags. Version 00 ends there; a later one may go on after a dash.
_IDS = rb"(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
_TRACEPARENT = re.compile(rb"00-%s|(?!00|ff)[0-9a-f]{2}-%s(?:-[^,]*)?" % (_IDS, _IDS))
_SAMPLED = 1


def traceparent(given: bytes | None) -> str:
    """`given` as version 00, the only one that is passed on; a new trace if there is none or it is malformed.

    A new one is not flagged as sampled: no spans of it are recorded here.
    """
    known = _TRACEPARENT.fullmatch(given) if given else None
    if not given or not known:
        ids = os.urandom(24).hex()
        return f"00-{ids[:32]}-{ids[32:]}-00"
    if known[1]:
        return given.decode()
    flags = int(known[6], 16) & _SAMPLED
    return f"00-{known[4].decode()}-{known[5].decode()}-{flags:02x}"


def trace_id(traceparent: str) -> str:
    """The trace's id within what `traceparent` returned."""
    return traceparent[3:35]
