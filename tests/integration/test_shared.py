"""What processes share through Redis: loaded once, never old, and never in the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

import pytest
from pydantic import SecretStr, TypeAdapter
from redis.asyncio import Redis

from api import shared
from api.remembered import Remembered
from api.shared import SharedMemory, shared_memory
from sensorhouse.errors import DependencyDown
from tests.servers import Server

KEY = "sensorhouse:remembered:thing:a"
GENERATION = "sensorhouse:remembered:generation"


class Source:
    """What Postgres is to the API: has one value, and counts how often it is asked."""

    def __init__(self) -> None:
        self.value, self.asked, self.is_down = "old", 0, False
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, _name: str) -> str:
        self.asked += 1
        answer = self.value
        await self.free.wait()
        if self.is_down:
            raise DependencyDown("it is away")
        return answer


class Process:
    """What one process of the API remembers."""

    def __init__(self, source: Source, memory: SharedMemory, fresh_s: float) -> None:
        self.memory = memory
        self.values: Remembered[str, str] = Remembered(
            source, fresh_s=lambda: fresh_s, stale_s=600.0, most=10, shared=memory.of("thing", TypeAdapter(str))
        )

    async def get(self) -> str:
        return await self.values.get("a")

    async def get_anew(self) -> str:
        """The value as a process would have it that has not asked before, but has heard all."""
        self.values._known.clear()
        return await self.get()

    async def hears(self) -> None:
        """It hears that the value has changed, and has told Redis if that answers."""
        self.values.forget("a")
        await settled(self.memory)


async def until(holds: Callable[[], Awaitable[object]], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def settled(memory: SharedMemory) -> None:
    """Wait until Redis has been told all that was heard."""

    async def has_told() -> bool:
        return memory._told == memory._heard

    await until(has_told)


def filled_in(text: bytes, generation: bytes) -> bytes:
    """What would be believed, but for what is wrong with it."""
    return text.replace(b"%k", KEY.encode()).replace(b"%g", generation)


@asynccontextmanager
async def process(
    redis: Server, source: Source, *, fresh_s: float = 60.0, listens: bool = True
) -> AsyncIterator[Process]:
    async with shared_memory(SecretStr(redis.part.address)) as memory:
        assert memory
        one = Process(source, memory, fresh_s)
        if listens:
            # As each does when it begins to.
            one.values.doubt()
            await settled(memory)
        yield one


@pytest.fixture
async def source() -> Source:
    return Source()


@pytest.fixture
async def two(redis: Server, source: Source) -> AsyncIterator[tuple[Process, Process]]:
    async with process(redis, source) as first, process(redis, source) as second:
        yield first, second


@pytest.fixture
async def client(redis: Server) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis.part.address) as client:
        yield client


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that was away is tried again after a tenth of a second."""
    monkeypatch.setattr(shared, "AGAIN_AFTER_S", 0.1)


async def test_what_one_process_loaded_the_other_does_not_ask_for(two: tuple[Process, Process], source: Source) -> None:
    first, second = two
    assert [await first.get(), await second.get()] == ["old", "old"]
    assert source.asked == 1
    source.is_down = True
    assert await second.get_anew() == "old"


async def test_a_change_counts_in_both_as_soon_as_they_hear_of_it(two: tuple[Process, Process], source: Source) -> None:
    first, second = two
    await first.get()
    await second.get()
    source.value = "new"
    await first.hears()
    await second.hears()
    assert [await first.get(), await second.get()] == ["new", "new"]
    assert source.asked == 2


async def test_who_has_heard_of_a_change_gets_no_old_value_from_who_has_not(
    two: tuple[Process, Process], source: Source
) -> None:
    deaf, hearing = two
    await deaf.get()
    source.value = "new"
    await hearing.hears()
    assert await hearing.get_anew() == "new"


async def test_what_was_loaded_before_a_change_and_comes_after_it_leaves_no_old_value(
    two: tuple[Process, Process], source: Source
) -> None:
    slow, quick = two
    source.free.clear()
    loading = asyncio.create_task(slow.get())

    async def is_asked() -> bool:
        return source.asked > 0

    await until(is_asked)
    source.value = "new"
    await quick.hears()
    source.free.set()
    # The slow one has not heard of it yet, and so far has an old value to itself.
    assert await loading == "old"
    assert await quick.get_anew() == "new"
    await slow.hears()
    assert [await slow.get(), await quick.get_anew()] == ["new", "new"]


async def test_who_may_have_missed_a_change_believes_nothing_that_was_shared_before(
    two: tuple[Process, Process], redis: Server, source: Source
) -> None:
    first, second = two
    await first.get()
    source.value = "new"
    second.values.doubt()
    assert await second.get() == "new"
    async with process(redis, source, listens=False) as third:
        source.value = "newest"
        assert await third.get() == "newest"


async def test_a_shared_value_is_no_longer_good_than_one_that_was_loaded(
    redis: Server, source: Source, client: Redis
) -> None:
    async with process(redis, source, fresh_s=1.0) as first, process(redis, source, fresh_s=1.0) as second:
        began = time.monotonic()
        await first.get()

        async def is_half_gone() -> bool:
            return bool(await client.pttl(KEY) < 500)

        await until(is_half_gone)
        assert await second.get() == "old"
        source.value = "new"

        async def is_new() -> bool:
            return await second.get() == "new"

        await until(is_new)
        assert 0.9 < time.monotonic() - began < 1.4


async def test_what_cannot_be_loaded_is_not_shared(two: tuple[Process, Process], source: Source) -> None:
    first, second = two
    source.is_down = True
    for each in (first, second):
        with pytest.raises(DependencyDown):
            await each.get()
    source.is_down = False
    assert await second.get() == "old"


async def test_while_redis_is_dead_all_goes_on_and_it_is_used_again_when_it_is_back(
    two: tuple[Process, Process], redis: Server, source: Source
) -> None:
    first, second = two
    await first.get()
    redis.kill()
    source.value = "new"
    first.values.forget("a")
    second.values.forget("a")
    assert [await first.get(), await second.get()] == ["new", "new"]
    redis.start()
    asked = source.asked

    async def is_shared() -> bool:
        nonlocal asked
        asked = source.asked
        return (await first.get_anew(), await second.get_anew()) == ("new", "new") and source.asked == asked

    await until(is_shared)


async def test_a_redis_that_comes_back_as_it_once_was_is_not_believed(
    two: tuple[Process, Process], redis: Server, source: Source, client: Redis
) -> None:
    first, second = two
    await first.get()
    generation, kept = await client.get(GENERATION), await client.get(KEY)
    source.value = "new"
    redis.kill()
    assert [await first.get_anew(), await second.get_anew()] == ["new", "new"]
    redis.start()
    async with Redis.from_url(redis.part.address) as restored:
        await restored.mset({GENERATION: generation, KEY: kept})
        await restored.pexpire(KEY, 60_000)

    async def are_back() -> bool:
        assert [await first.get_anew(), await second.get_anew()] == ["new", "new"]
        return not first.memory._is_away and not second.memory._is_away

    await until(are_back)


async def test_what_was_heard_while_redis_did_not_answer_counts_when_it_does_again(
    two: tuple[Process, Process], redis: Server, source: Source
) -> None:
    first, second = two
    await first.get()
    redis.pause()
    source.value = "new"
    first.values.forget("a")
    second.values.forget("a")
    assert [await first.get(), await second.get()] == ["new", "new"]
    # It kept the old value all the while.
    redis.resume()

    async def are_back() -> bool:
        assert [await first.get_anew(), await second.get_anew()] == ["new", "new"]
        return not first.memory._is_away and not second.memory._is_away

    await until(are_back)
    assert [await first.get_anew(), await second.get_anew()] == ["new", "new"]


async def test_a_redis_that_hangs_costs_one_wait_not_one_for_each_who_asks(
    two: tuple[Process, Process], redis: Server, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "AGAIN_AFTER_S", 60.0)
    first, _ = two
    redis.pause()
    began = time.monotonic()
    for _ in range(100):
        assert await first.get_anew() == "old"
    assert time.monotonic() - began < 2 * shared.ANSWER_WITHIN_S
    assert source.asked == 100


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\x00",
        b"null",
        b"[1, 2]",
        b'{"value": "forged"}',
        b'{"key": "%k", "generation": null, "value": "forged"}',
        b'{"key": "%k", "generation": "%g", "value": {"forged": 1}}',
        b'{"key": "%k", "generation": "%g"}',
        b'{"key": "another", "generation": "%g", "value": "forged"}',
        b"[" * 100_000,
    ],
)
async def test_garbage_is_ignored_and_replaced(
    two: tuple[Process, Process], source: Source, client: Redis, garbage: bytes
) -> None:
    first, second = two
    await client.set(KEY, filled_in(garbage, await client.get(GENERATION)), px=60_000)
    assert [await first.get(), await second.get()] == ["old", "old"]
    assert source.asked == 1


async def test_what_is_of_another_type_or_without_an_end_is_ignored(
    two: tuple[Process, Process], source: Source, client: Redis
) -> None:
    first, second = two
    await client.rpush(KEY, "a", "b")
    assert [await first.get(), await second.get()] == ["old", "old"]
    await client.delete(GENERATION)
    await client.rpush(GENERATION, "a", "b")
    assert [await first.get_anew(), await second.get_anew()] == ["old", "old"]
    await settled(first.memory)
    forged = b'{"key": "%k", "generation": "%g", "value": "forged"}'
    await client.set(KEY, filled_in(forged, await client.get(GENERATION)))
    asked = source.asked
    assert [await first.get_anew(), await second.get_anew()] == ["old", "old"]
    assert source.asked == asked + 1


async def test_a_redis_that_forgot_everything_does_not_believe_what_it_is_given_back(
    two: tuple[Process, Process], source: Source, client: Redis
) -> None:
    first, second = two
    await first.get()
    kept = await client.get(KEY)
    await client.flushall()
    source.value = "new"
    await second.hears()
    await client.set(KEY, kept, px=60_000)
    assert await second.get_anew() == "new"


async def test_many_who_ask_for_different_things_at_once_are_all_answered(redis: Server) -> None:
    asked = count()

    async def load(name: str) -> str:
        next(asked)
        return f"value of {name}"

    async with shared_memory(SecretStr(redis.part.address)) as memory:
        assert memory
        values: Remembered[str, str] = Remembered(
            load, fresh_s=lambda: 60.0, stale_s=600.0, most=10_000, shared=memory.of("thing", TypeAdapter(str))
        )
        names = [str(number) for number in range(2_000)]
        assert await asyncio.gather(*map(values.get, names)) == [f"value of {name}" for name in names]
    assert next(asked) == len(names)
