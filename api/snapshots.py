"""Values that are looked up again and again while somebody watches, once for all who do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, TypeVar

import structlog

from sensorhouse.errors import DependencyDown

T = TypeVar("T")

WATCHED_FOR_S = 30.0

log = structlog.get_logger()


@dataclass
class Watched(Generic[T]):
    """The last value of `look`, at most `every_s` old while somebody asks for it; `run` does the looking.

    When a look fails, `value` stays what it was, `taken_at` tells its age, and `problem` says what went wrong.
    """

    look: Callable[[], Awaitable[T]]
    every_s: float
    first_within_s: float = 5.0
    value: T | None = None
    taken_at: datetime | None = None
    problem: str | None = None
    _asked_at: float = field(default=float("-inf"), repr=False)
    _asked: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _looked: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    async def latest(self) -> T:
        """The newest value; waits for one when nobody has asked for a while.

        Raises `DependencyDown` while there has never been one.
        """
        await self.refreshed()
        if self.value is None:
            raise DependencyDown(self.problem or "nothing was found out in time")
        return self.value

    async def refreshed(self) -> None:
        """Keep it fresh from now on; returns at once, or when nobody has asked for a while within `first_within_s`."""
        resting = not self._is_watched()
        self._asked_at = time.monotonic()
        if resting:
            self._looked.clear()
        self._asked.set()
        try:
            await asyncio.wait_for(self._looked.wait(), self.first_within_s)
        except TimeoutError:
            self.problem = self.problem or "no answer yet"

    async def run(self) -> None:
        """Look until cancelled, resting while nobody asks."""
        while True:
            await self._asked.wait()
            await self._look_once()
            self._looked.set()
            await asyncio.sleep(self.every_s)
            if not self._is_watched():
                self._asked.clear()

    async def _look_once(self) -> None:
        try:
            self.value, self.taken_at, self.problem = await self.look(), datetime.now(UTC), None
        except DependencyDown as error:
            self.problem = str(error)
        except Exception as error:  # one bad look must not end the watch
            log.exception("look_failed")
            self.problem = f"{type(error).__name__}: {error}"

    def _is_watched(self) -> bool:
        return time.monotonic() - self._asked_at < WATCHED_FOR_S
