"""How a table trims a batch to its own offsets."""

from __future__ import annotations

import polars as pl
import pytest

from sensorhouse.errors import OffsetGap
from tests.readings import NOON
from warehouse.batches import DEAD_LETTER, MESSAGES, POSITION, Batch, Range, merged
from warehouse.checksums import signed


def batch(**partitions: tuple[int, int]) -> Batch:
    """A batch with one row per offset, by partition: `p0=(start, end)`."""
    ranges = {int(name[1:]): Range(*ends) for name, ends in partitions.items()}
    rows = pl.DataFrame(
        [(p, offset, 0, NOON) for p, covered in ranges.items() for offset in range(covered.start, covered.end)],
        schema=POSITION,
        orient="row",
    )
    messages = rows.select("partition", "offset", pl.col("ingested_at").cast(MESSAGES["ingested_at"]), bytes=pl.lit(7))
    # Sums of these pass 2^64.
    checked = rows.with_columns(checksum=pl.lit(2**63 + 1, pl.UInt64), is_cold=pl.col("offset") == 0)
    dead = DEAD_LETTER.to_frame().with_columns(checksum=pl.lit(None, pl.UInt64))
    return Batch("readings", "t", ranges, messages, checked, dead)


def test_a_table_that_has_nothing_takes_all() -> None:
    whole = batch(p0=(0, 5))
    assert whole.trimmed({0: 0}) is whole


def test_a_table_keeps_only_what_it_has_not_got() -> None:
    trimmed = batch(p0=(0, 5), p1=(3, 6)).trimmed({0: 2, 1: 6})
    assert trimmed.ranges == {0: Range(2, 5)}
    assert trimmed.rows.get_column("offset").to_list() == [2, 3, 4]
    assert trimmed.messages.height == 3


def test_a_batch_that_starts_after_the_table_ends_is_refused() -> None:
    with pytest.raises(OffsetGap, match=r"readings\[1\]: the table ends at offset 2, the slice starts at 3"):
        batch(p0=(0, 5), p1=(3, 6)).trimmed({0: 0, 1: 2})


def test_batches_that_follow_each_other_merge_into_one() -> None:
    one = merged([batch(p0=(0, 2)), batch(p0=(2, 4), p1=(0, 1))])
    assert one.ranges == {0: Range(0, 4), 1: Range(0, 1)}
    assert one.counts().sort("partition").select("partition", "messages", "rows").rows() == [(0, 4, 4), (1, 1, 1)]


def test_a_slice_s_sums_are_kept_modulo_two_to_the_64() -> None:
    (counted,) = batch(p0=(0, 3)).counts().rows(named=True)
    assert (counted["rows"], counted["cold"], counted["bytes"]) == (3, 1, 21)
    assert counted["checksum"] == signed(3 * (2**63 + 1) % 2**64)
    assert counted["cold_checksum"] == signed(2**63 + 1)
    assert (counted["dead_letters"], counted["dead_checksum"]) == (0, 0)
