"""Group commit: who is written together, and who fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sensorhouse.errors import DependencyDown, Overloaded
from warehouse.group_commit import GroupCommit


class Writer:
    """Writes nothing down but what it was given; refuses batches that hold an item of `bad`."""

    def __init__(self, *, bad: Sequence[int] = (), down: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.bad, self.down = bad, down
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, items: Sequence[int], alone: bool) -> list[int | Exception]:
        await self.free.wait()
        self.batches.append(list(items))
        if self.down:
            raise DependencyDown("Postgres is away")
        if set(items) & set(self.bad):
            raise ValueError(f"one of {items}")
        return [item * 10 if item else KeyError("zero") for item in items]


def group(writer: Writer, *, most: int = 100, longest_queue: int = 100) -> GroupCommit[int, int]:
    return GroupCommit(writer, most=most, longest_queue=longest_queue)


async def test_what_arrives_while_one_flush_is_under_way_is_the_next() -> None:
    writer = Writer()
    writer.free.clear()
    commit = group(writer)
    first = commit.add(1)
    await asyncio.sleep(0)
    rest = [commit.add(item) for item in range(2, 7)]
    writer.free.set()
    assert await asyncio.gather(first, *rest) == [10, 20, 30, 40, 50, 60]
    assert writer.batches == [[1], [2, 3, 4, 5, 6]]
    await commit.close()


async def test_a_flush_is_no_larger_than_allowed() -> None:
    writer = Writer()
    commit = group(writer, most=3)
    assert await asyncio.gather(*map(commit.add, range(1, 8))) == [10, 20, 30, 40, 50, 60, 70]
    assert [len(batch) for batch in writer.batches] == [3, 3, 1]
    await commit.close()


async def test_each_hears_its_own_result_or_refusal() -> None:
    commit = group(Writer())
    results = await asyncio.gather(*map(commit.add, [1, 0, 2]), return_exceptions=True)
    assert [results[0], results[2]] == [10, 20]
    assert isinstance(results[1], KeyError)
    await commit.close()


async def test_a_bad_item_fails_alone() -> None:
    writer = Writer(bad=[3])
    commit = group(writer)
    results = await asyncio.gather(*map(commit.add, range(1, 6)), return_exceptions=True)
    assert [result for result in results if isinstance(result, int)] == [10, 20, 40, 50]
    assert isinstance(results[2], ValueError)
    assert sorted(writer.batches[1:]) == [[1], [2], [3], [4], [5]]
    await commit.close()


async def test_without_the_server_all_fail_and_none_is_tried_again() -> None:
    writer = Writer(down=True)
    commit = group(writer)
    results = await asyncio.gather(*map(commit.add, range(1, 6)), return_exceptions=True)
    assert {type(result) for result in results} == {DependencyDown}
    assert len(writer.batches) == 1
    await commit.close()


async def test_the_queue_is_bounded_and_has_room_again_once_it_is_written() -> None:
    writer = Writer()
    writer.free.clear()
    commit = group(writer, longest_queue=3)
    taken = [commit.add(item) for item in (1, 2, 3)]
    assert commit.is_full
    with pytest.raises(Overloaded):
        commit.add(4)
    writer.free.set()
    await asyncio.gather(*taken)
    assert not commit.is_full
    assert await commit.add(4) == 40
    await commit.close()


async def test_closing_writes_what_was_taken_and_takes_no_more() -> None:
    writer = Writer(bad=[2])
    commit = group(writer)
    taken = [commit.add(item) for item in (1, 2, 3)]
    await commit.close()
    assert [answer.done() for answer in taken] == [True] * 3
    with pytest.raises(ValueError, match="one of"):
        taken[1].result()
    with pytest.raises(Overloaded):
        commit.add(4)


async def test_who_no_longer_listens_does_not_disturb_the_others() -> None:
    writer = Writer()
    commit = group(writer)
    gone, there = commit.add(1), commit.add(2)
    gone.cancel()
    assert await there == 20
    await commit.close()
