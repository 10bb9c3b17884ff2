"""Group commit: what waits to be written is written together, and each hears of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from sensorhouse.errors import DependencyDown, Overloaded

Item = TypeVar("Item")
Result = TypeVar("Result")

# When a flush failed, so many of its items are tried side by side.
_ALONE_AT_ONCE = 8


class GroupCommit(Generic[Item, Result]):
    """Collects items while a flush is under way and gives them to the next one.

    `write` writes items in one transaction and returns, in their order, each one's result, or the error that this one
    is to be told; it returns after the commit. When it raises, nothing was written and each item is tried alone, beside
    the next flushes, so that a bad one fails alone; but with `DependencyDown` all of them fail. Its second argument
    says whether the item is tried alone: nobody else waits for it then.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item], bool], Awaitable[Sequence[Result | Exception]]],
        *,
        most: int,
        longest_queue: int,
    ) -> None:
        self._write, self._most, self._longest_queue = write, most, longest_queue
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._open = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._alone = asyncio.Semaphore(_ALONE_AT_ONCE)
        self._tried_alone: set[asyncio.Task[None]] = set()
        self._flusher = asyncio.create_task(self._flush_all())

    @property
    def waiting(self) -> int:
        """How many items are not answered yet."""
        return self._open

    @property
    def is_full(self) -> bool:
        """Whether one more would be refused."""
        return self._open >= self._longest_queue or self._closing

    def add(self, item: Item) -> asyncio.Future[Result]:
        """Let the next flush write it; raises `Overloaded` when too many wait."""
        if self.is_full:
            raise Overloaded("more waits than can be done in time; nothing was kept, so send it again in a moment")
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._open += 1
        self._waiting.append((item, answer))
        self._wake.set()
        return answer

    async def close(self) -> None:
        """Write all that waits, take no more, and return when each has heard."""
        self._closing = True
        self._wake.set()
        await self._flusher
        await asyncio.gather(*self._tried_alone)

    async def _flush_all(self) -> None:
        while not (self._closing and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._flush([self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))])

    async def _flush(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]], *, alone: bool = False) -> None:
        try:
            results = await self._write([item for item, _ in batch], alone)
        except Exception as error:
            if alone or isinstance(error, DependencyDown):
                self._answer(batch, [error] * len(batch))
                return
            for one in batch:
                task = asyncio.create_task(self._flush_alone(one))
                self._tried_alone.add(task)
                task.add_done_callback(self._tried_alone.discard)
        else:
            self._answer(batch, results)

    async def _flush_alone(self, one: tuple[Item, asyncio.Future[Result]]) -> None:
        async with self._alone:
            await self._flush([one], alone=True)

    def _answer(
        self, batch: Sequence[tuple[Item, asyncio.Future[Result]]], results: Sequence[Result | Exception]
    ) -> None:
        for (_, answer), result in zip(batch, results, strict=True):
            self._open -= 1
            # Who asked may have gone meanwhile.
            if answer.done():
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)
