"""`Link` headers (RFC 8288): where a list goes on."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode


def next_page(path: str, query: str, cursor: str | None) -> dict[str, str]:
    """The header that names the next page of this request: the same path and filters, from `cursor` on.

    The reference has no host, so it holds behind whatever the request came through. Without a cursor there is no next
    page, and no header.
    """
    if cursor is None:
        return {}
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "cursor"]
    return {"link": f'<{quote(path)}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
