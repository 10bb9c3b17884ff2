"""What the API's processes remember together, through Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import uuid4

import orjson
import structlog
from pydantic import SecretStr, TypeAdapter
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from sensorhouse.beside import beside

if TYPE_CHECKING:
    from redis.asyncio.client import Pipeline

ANSWER_WITHIN_S = 0.2
# A Redis that did not answer is left alone for this long; meanwhile everybody asks Postgres.
AGAIN_AFTER_S = 5.0
# While so many wait for Redis, the next ones ask Postgres. Each waits on a connection of its own.
_MOST_AT_ONCE = 16
_PREFIX = "sensorhouse:remembered:"
_GENERATION = f"{_PREFIX}generation"

log = structlog.get_logger()

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True)
class Looked:
    """What Redis had: the current generation, and under a key a text that is good for some milliseconds more.

    Under a key that nobody here wrote there may be anything.
    """

    generation: str
    text: object
    good_for_ms: int


class SharedMemory:
    """Redis, as a memory that may be away, forget and be wrong, and whose values are believed for one generation.

    Each value says under which generation it was loaded, and is believed only while that is still the current one.
    Whoever hears of a change makes a new generation before it believes anything again. So a value that was loaded
    before a change and comes late is never believed by anyone who knows of the change. Generations are random: one
    that Redis lost does not come back.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=ANSWER_WITHIN_S,
            socket_connect_timeout=ANSWER_WITHIN_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._asking, self._is_away, self._quiet_until = 0, False, 0.0
        # Reasons for doubt, and how many of those Redis' generation is newer than. What was missed before this process
        # began is one.
        self._heard, self._told = 1, 0
        self._doubted = asyncio.Event()

    def of(self, kind: str, form: TypeAdapter[Value]) -> Shared[Any, Value]:
        """The values of one kind, by name."""
        return Shared(self, kind, form)

    def doubt(self) -> None:
        """Something has changed: from now on, believe nothing that was loaded before."""
        self._heard += 1
        self._doubted.set()

    async def tell(self) -> None:
        """Until cancelled, make a new generation as soon as there is doubt.

        Not only when somebody next asks: that would end what other processes have loaded since.
        """
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            await self.look(_GENERATION)

    async def look(self, key: str) -> Looked | None:
        """What is under that key now; None when Redis does not answer."""
        heard, new = self._heard, uuid4().hex

        def commands(pipeline: Pipeline) -> None:
            pipeline.set(_GENERATION, new, nx=heard == self._told)
            pipeline.get(_GENERATION)
            pipeline.get(key)
            pipeline.pttl(key)

        answers = await self._ask(commands)
        if answers is None:
            return None
        _, generation, text, good_for_ms = answers
        if generation == new.encode():
            self._told = max(self._told, heard)
        elif not isinstance(generation, bytes):
            # Somebody else's, of a type that is no text: put ours in its place.
            self.doubt()
            return None
        return Looked(generation.decode("latin-1"), text, good_for_ms)

    async def keep(self, key: str, text: bytes, *, good_for_ms: int) -> None:
        """Put a text under that key, if Redis answers."""
        await self._ask(lambda pipeline: pipeline.set(key, text, px=good_for_ms))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    async def _ask(self, commands: Callable[[Pipeline], object]) -> list[Any] | None:
        """The answers, in one transaction, errors among them; None when Redis does not answer, or lately didn't."""
        if time.monotonic() < self._quiet_until or self._asking >= _MOST_AT_ONCE:
            return None
        if self._is_away:
            # One tries whether it is back; the others don't wait for that.
            self._quiet_until = time.monotonic() + AGAIN_AFTER_S
        self._asking += 1
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S), self._redis.pipeline(transaction=True) as pipeline:
                commands(pipeline)
                answers: list[Any] = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            if not self._is_away:
                log.warning("redis_away", error=f"{type(error).__name__}: {error}")
            self._is_away, self._quiet_until = True, time.monotonic() + AGAIN_AFTER_S
            # It may come back as another, or as it once was.
            self._heard += 1
            return None
        finally:
            self._asking -= 1
        if self._is_away:
            log.info("redis_back")
        self._is_away, self._quiet_until = False, 0.0
        return answers


class Shared(Generic[Name, Value]):
    """Values of one kind, by name, as `Remembered` wants them shared."""

    def __init__(self, memory: SharedMemory, kind: str, form: TypeAdapter[Value]) -> None:
        self._memory, self._kind, self._form = memory, kind, form

    async def get(
        self, name: Name, load: Callable[[Name], Awaitable[Value]], *, good_for_s: float
    ) -> tuple[Value, float]:
        """The value and how many seconds old it is: another process's, or loaded and given to the others."""
        key, began = f"{_PREFIX}{self._kind}:{name}", time.monotonic()
        looked = await self._memory.look(key)
        if looked and (found := self._read(key, looked)):
            return found[0], max(0.0, good_for_s - looked.good_for_ms / 1000)
        value = await load(name)
        left_s = good_for_s - (time.monotonic() - began)
        if looked and left_s > 0:
            kept = {"key": key, "generation": looked.generation, "value": orjson.Fragment(self._form.dump_json(value))}
            await self._memory.keep(key, orjson.dumps(kept), good_for_ms=max(1, int(left_s * 1000)))
        return value, 0.0

    def doubt(self) -> None:
        """Some value has changed, or any may have."""
        self._memory.doubt()

    def _read(self, key: str, looked: Looked) -> tuple[Value] | None:
        """The value of this generation; None for any other, and for what is no such value at all."""
        # Without an end (-1) nobody here wrote it.
        if not isinstance(looked.text, bytes) or looked.good_for_ms <= 0:
            return None
        try:
            kept = orjson.loads(looked.text)
            # The key too: an answer to somebody else's question must not make one user another.
            if (kept["key"], kept["generation"]) != (key, looked.generation):
                return None
            return (self._form.validate_python(kept["value"]),)
        except (ValueError, TypeError, LookupError):
            return None


@asynccontextmanager
async def shared_memory(url: SecretStr | None) -> AsyncIterator[SharedMemory | None]:
    """The memory at that address, kept in step with what this process hears; None without an address."""
    if not url:
        yield None
        return
    memory = SharedMemory(url.get_secret_value())
    try:
        async with beside(memory.tell()):
            yield memory
    finally:
        await memory.close()
