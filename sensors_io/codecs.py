"""Messages and uploads of any content type to readings."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sensorhouse.errors import Invalid, UnsupportedType
from sensors_io.arrow_codec import decode_arrow
from sensors_io.json_codec import decode_json
from sensors_io.reading import ARROW, JSON, NDJSON, REJECTED, WHOLE_MESSAGE, Decoded, all_rejected, no_readings


def decode(messages: Sequence[bytes], content_types: Sequence[str]) -> Decoded:
    """Decode messages of mixed content types; whatever the bytes are, this returns."""
    parts: list[Decoded] = []
    kinds = set(content_types)
    if arrow := _of(content_types, kinds, kinds & {ARROW}):
        parts.append(decode_arrow(messages, arrow))
    if json := _of(content_types, kinds, kinds & {JSON, NDJSON}):
        parts.append(decode_json(messages, content_types, json))
    if strange := _of(content_types, kinds, kinds - {ARROW, JSON, NDJSON}):
        parts.append(all_rejected((at, "unknown content type") for at in strange))
    if len(parts) == 1:
        return parts[0]
    return Decoded(
        pl.concat([no_readings(), *(part.readings for part in parts)]),
        pl.concat([REJECTED.to_frame(), *(part.rejected for part in parts)]),
    )


def _of(content_types: Sequence[str], kinds: set[str], wanted: set[str]) -> Sequence[int]:
    """Where the content type, which is one of `kinds`, is one of the wanted."""
    if not wanted:
        return ()
    if wanted == kinds:
        return range(len(content_types))
    return [at for at, kind in enumerate(content_types) if kind in wanted]


def decode_upload(body: bytes, content_type: str) -> Decoded:
    """Decode one client's body: JSON object, array or `{"readings": […]}`, NDJSON, or an Arrow stream.

    Raises `UnsupportedType` for another content type and `Invalid` when the body as a whole can't be read.
    """
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if kind not in (JSON, NDJSON, ARROW):
        raise UnsupportedType(f"send {JSON}, {NDJSON} or {ARROW}")
    decoded = decode([body], [kind])
    whole = decoded.rejected.filter(pl.col("index") == WHOLE_MESSAGE)
    if whole.height:
        raise Invalid(f"the body can't be read: {whole.item(0, 'reason')}")
    return decoded
