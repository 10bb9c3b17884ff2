"""What is kept of refused readings: each alone, or their message once when they are too many to be any good."""

from __future__ import annotations

import polars as pl

from sensors_io.reading import REJECTED, WHOLE_MESSAGE
from sensors_io.reading_json import as_json

# No whole reading is shorter, so that only junk gets near to what a message of this size may hold of it.
_SHORTEST = 64
_ALWAYS = 100


def most_refused(message_bytes: int) -> int:
    """How many readings of a message are kept one by one."""
    return _ALWAYS + message_bytes // _SHORTEST


def too_many(count: int, index: int, reason: str) -> str:
    """The reason that stands for all of them."""
    return f"{count:,} of its readings can't be taken; the first, at {index}: {reason}"


def refusals(rejected: pl.DataFrame, refused: pl.DataFrame, sizes: pl.Series) -> pl.DataFrame:
    """As REJECTED: what was `rejected` in decoding and what was `refused` of the decoded; `sizes` are the messages'.

    Where one message has more of them than it may, one for the whole message stands for them: a message of three
    bytes a reading must not become a dead letter for each.
    """
    if not rejected.height and not refused.height:
        return REJECTED.to_frame()
    bad = pl.concat([frame.select("message", "index", "reason") for frame in (rejected, refused)])
    if bad.height > _ALWAYS:
        many = _too_many(bad.filter(pl.col("index") != WHOLE_MESSAGE), sizes)
        rejected, refused = (frame.join(many, on="message", how="anti") for frame in (rejected, refused))
    else:
        many = REJECTED.to_frame()
    return pl.concat([rejected, refused.select("message", "index", "reason", as_json(refused)), many])


def _too_many(bad: pl.DataFrame, sizes: pl.Series) -> pl.DataFrame:
    counted = bad.group_by("message").agg(pl.len(), pl.col("index", "reason").sort_by("index").first())
    allowed = sizes.gather(counted.get_column("message")).cast(pl.Int64) // _SHORTEST + _ALWAYS
    many = counted.filter(counted.get_column("len") > allowed)
    rows = [
        (message, WHOLE_MESSAGE, too_many(count, index, reason), None)
        for message, count, index, reason in many.select("message", "len", "index", "reason").iter_rows()
    ]
    return pl.DataFrame(rows, schema=REJECTED, orient="row")
