"""Compressed bodies, whole and hostile."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pyarrow as pa
import pytest

from sensorhouse.errors import Invalid, TooLarge, UnsupportedCoding
from sensors_io.compression import expanded
from tests.compressed import COMPRESS

CONTENT = b"some readings " * 1000
MOST = 1 << 20


@pytest.mark.parametrize("coding", COMPRESS)
def test_a_body_comes_out_as_it_went_in(coding: str) -> None:
    compressed = COMPRESS[coding](CONTENT)
    assert expanded(compressed, coding, most_bytes=MOST) == CONTENT
    assert expanded(compressed, f" {coding.upper()} ", most_bytes=len(CONTENT)) == CONTENT
    assert expanded(compressed * 2, coding, most_bytes=MOST) == CONTENT * 2


@pytest.mark.parametrize("coding", ["", "identity"])
def test_a_body_without_a_coding_stays_as_it_is(coding: str) -> None:
    assert expanded(CONTENT, coding, most_bytes=1) == CONTENT


@pytest.mark.parametrize("coding", COMPRESS)
def test_a_bomb_is_expanded_to_the_limit_only(coding: str) -> None:
    bomb = COMPRESS[coding](bytes(64 << 20))
    assert len(bomb) < MOST
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    with pytest.raises(TooLarge, match="1,048,576 bytes"):
        expanded(bomb, coding, most_bytes=MOST)
    assert tracemalloc.get_traced_memory()[1] < 4 * MOST
    tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < MOST


@pytest.mark.parametrize("coding", COMPRESS)
def test_a_stream_that_is_cut_off_anywhere_is_refused(coding: str) -> None:
    compressed = COMPRESS[coding](CONTENT)
    for length in range(1, len(compressed)):
        with pytest.raises(Invalid):
            expanded(compressed[:length], coding, most_bytes=MOST)


@pytest.mark.parametrize("coding", COMPRESS)
def test_bytes_of_another_coding_and_bytes_that_follow_are_refused(coding: str) -> None:
    other = next(name for name in COMPRESS if name != coding)
    for body in (CONTENT, COMPRESS[other](CONTENT), COMPRESS[coding](CONTENT) + b"more"):
        with pytest.raises(Invalid):
            expanded(body, coding, most_bytes=MOST)


def test_a_wrong_checksum_is_refused() -> None:
    compressed = gzip.compress(CONTENT)
    with pytest.raises(Invalid):
        expanded(compressed[:-8] + bytes(4) + compressed[-4:], "gzip", most_bytes=MOST)


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "gzip;q=1", "nonsense"])
def test_any_other_coding_is_named_as_unknown(coding: str) -> None:
    with pytest.raises(UnsupportedCoding, match="gzip or zstd"):
        expanded(zlib.compress(CONTENT), coding, most_bytes=MOST)
