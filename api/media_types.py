"""Which media type an answer has, as the request's `Accept` asks for (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

_CHARSET = re.compile(r';\s*charset="?utf-8"?', re.IGNORECASE)


def best(accept: Sequence[str], offered: Sequence[str]) -> str | None:
    """The offered type that these `Accept` headers like best, the earlier of two; None when they take none of them."""
    # Some clients name the encoding of text, which is always the same here.
    asked = _CHARSET.sub("", ",".join(accept))
    if not asked.strip():
        return offered[0]
    accepted = parse_accept_header(asked, MIMEAccept)
    # Not `best_match`, to which `*/*` makes up for a type that is refused by `q=0`.
    kind = max(offered, key=accepted.quality)
    return kind if accepted.quality(kind) > 0 else None
