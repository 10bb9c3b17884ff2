"""What is read often and rarely changes, remembered for a while in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

from sensorhouse.errors import DependencyDown

if TYPE_CHECKING:
    from api.shared import Shared

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Name, Value]):
    """Values by name, each loaded once for all who ask at the same time.

    A value is good for `fresh_s`; while its source is down it is still given out until it is `stale_s` old. What is
    `shared` is asked for there first.
    """

    def __init__(
        self,
        load: Callable[[Name], Awaitable[Value]],
        *,
        fresh_s: Callable[[], float],
        stale_s: float,
        most: int,
        shared: Shared[Name, Value] | None = None,
    ) -> None:
        self._load, self._fresh_s, self._stale_s, self._most = load, fresh_s, stale_s, most
        self._shared = shared
        self._known: dict[Name, tuple[Value, float, bool]] = {}
        self._loading: dict[Name, asyncio.Task[Value]] = {}
        self._doubts = 0

    async def get(self, name: Name) -> Value:
        """The value; raises what `load` raises, which is not remembered."""
        known = self._known.get(name)
        age = time.monotonic() - known[1] if known else 0.0
        if known and known[2] and age < self._fresh_s():
            return known[0]
        try:
            # Shielded: one who asked first may go, the others still wait.
            return await asyncio.shield(self._loading.get(name) or self._begin(name))
        except DependencyDown:
            if known and age < self._stale_s:
                return known[0]
            raise

    def forget(self, name: Name) -> None:
        """Its value has changed: load it anew when it is next asked for."""
        self._known.pop(name, None)
        # What is being loaded may be what was before.
        self._loading.pop(name, None)
        if self._shared:
            self._shared.doubt()

    def doubt(self) -> None:
        """Any value may have changed: load each anew, and keep the old one only for while the source is down."""
        self._known = {name: (value, seen_at, False) for name, (value, seen_at, _) in self._known.items()}
        self._doubts += 1
        if self._shared:
            self._shared.doubt()

    def _begin(self, name: Name) -> asyncio.Task[Value]:
        task = self._loading[name] = asyncio.create_task(self._load_and_keep(name))
        return task

    async def _load_and_keep(self, name: Name) -> Value:
        began, doubts = time.monotonic(), self._doubts
        try:
            if self._shared:
                value, age_s = await self._shared.get(name, self._load, good_for_s=self._fresh_s())
            else:
                value, age_s = await self._load(name), 0.0
        except DependencyDown:
            raise
        except Exception:
            self._known.pop(name, None)
            raise
        else:
            if self._loading.get(name) is asyncio.current_task():
                if len(self._known) >= self._most:
                    self._known.clear()
                self._known[name] = value, began - age_s, self._doubts == doubts
            return value
        finally:
            if self._loading.get(name) is asyncio.current_task():
                del self._loading[name]
