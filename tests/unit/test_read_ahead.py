"""Parts come decoded and in their order, only a few ahead, and whatever went wrong is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from sensors_io.kafka import Topic
from sensors_io.read_ahead import Part, ReadAhead
from sensors_io.slices import Messages, Slice, SliceReader
from tests.waiting import wait_until
from warehouse.batches import Batch, Range


class Numbers:
    """A reader of slices without messages, numbered by their offsets; at `fails_at` it raises."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.read_count, self._fails_at = 0, fails_at

    def read(self, **_: object) -> Slice:
        """The next one."""
        at = self.read_count
        if at == self._fails_at:
            raise ConnectionError("the log is gone")
        self.read_count += 1
        return Slice(Topic("t", "c/t", (0,)), {0: Range(at, at + 1)}, Messages())


def numbered(read: Slice) -> Batch:
    """What stands for decoding: even ones take longer."""
    time.sleep(0.002 * (1 - read.ranges[0].start % 2))
    return cast("Batch", read.ranges[0].start)


@contextmanager
def ahead_of(reader: Numbers, decode: Callable[[Slice], Batch] = numbered) -> Iterator[ReadAhead]:
    ahead = ReadAhead(cast("SliceReader", reader), decode, max_messages=1, max_bytes=1, max_age_s=1.0)
    try:
        yield ahead
    finally:
        ahead.close()


def iter_parts(ahead: ReadAhead, count: int) -> Iterator[Part]:
    for _ in range(count):
        part = ahead.get(5.0)
        assert part is not None
        yield part


def test_parts_come_in_their_order_however_long_each_takes() -> None:
    with ahead_of(Numbers()) as ahead:
        assert [part.batch for part in iter_parts(ahead, 50)] == list(range(50))


def test_a_few_are_read_ahead_and_no_more() -> None:
    reader = Numbers()
    with ahead_of(reader):
        wait_until(lambda: reader.read_count >= 3, "three parts are not read", within_s=5)
        time.sleep(0.3)
        assert reader.read_count == 3


@pytest.mark.parametrize("where", ["reading", "decoding"])
def test_what_went_wrong_comes_in_its_turn(where: str) -> None:
    def decode(read: Slice) -> Batch:
        if read.ranges[0].start == 3:
            raise ConnectionError("the log is gone")
        return numbered(read)

    with ahead_of(Numbers(fails_at=3 if where == "reading" else None), decode) as ahead:
        assert [part.batch for part in iter_parts(ahead, 3)] == [0, 1, 2]
        with pytest.raises(ConnectionError, match="the log is gone"):
            ahead.get(5.0)


def test_no_thread_is_left_when_it_is_closed_full() -> None:
    before = threading.active_count()
    with ahead_of(Numbers()):
        pass
    assert threading.active_count() == before
