"""What is remembered, for how long, and what makes it forgotten."""

from __future__ import annotations

import asyncio

import pytest

from api.remembered import Remembered
from sensorhouse.errors import DependencyDown


class Source:
    """Counts how often it is asked; answers with that count once it is free to."""

    def __init__(self) -> None:
        self.asked, self.is_down = 0, False
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, name: str) -> str:
        self.asked += 1
        answer = f"{name}-{self.asked}"
        await self.free.wait()
        if self.is_down:
            raise DependencyDown("it is away")
        return answer


def remembered(source: Source, *, fresh_s: float = 60.0, stale_s: float = 600.0) -> Remembered[str, str]:
    return Remembered(source, fresh_s=lambda: fresh_s, stale_s=stale_s, most=2)


async def test_a_value_is_loaded_once_for_all_who_ask_at_once_and_later() -> None:
    source = Source()
    values = remembered(source)
    assert set(await asyncio.gather(*(values.get("a") for _ in range(100)))) == {"a-1"}
    assert await values.get("a") == "a-1"


async def test_an_old_value_is_loaded_anew() -> None:
    values = remembered(Source(), fresh_s=0.0)
    assert [await values.get("a"), await values.get("a")] == ["a-1", "a-2"]


async def test_while_its_source_is_down_a_value_is_good_for_longer_but_not_for_ever() -> None:
    source = Source()
    patient, impatient = remembered(source, fresh_s=0.0), remembered(source, fresh_s=0.0, stale_s=0.0)
    known = await patient.get("a")
    await impatient.get("a")
    source.is_down = True
    assert await patient.get("a") == known
    with pytest.raises(DependencyDown):
        await impatient.get("a")
    with pytest.raises(DependencyDown):
        await patient.get("b")


async def test_what_is_forgotten_is_loaded_anew_and_the_rest_is_kept() -> None:
    values = remembered(Source())
    a, b = await values.get("a"), await values.get("b")
    values.forget("a")
    assert await values.get("a") != a
    assert await values.get("b") == b


async def test_what_changes_while_it_is_loaded_is_not_remembered() -> None:
    source = Source()
    values = remembered(source)
    source.free.clear()
    before = asyncio.create_task(values.get("a"))
    async with asyncio.timeout(1):
        while not source.asked:  # noqa: ASYNC110
            await asyncio.sleep(0)
    values.forget("a")
    after = asyncio.create_task(values.get("a"))
    await asyncio.sleep(0)
    source.free.set()
    assert (await before, await after) == ("a-1", "a-2")
    assert await values.get("a") == "a-2"


async def test_what_is_doubted_is_loaded_anew_but_kept_for_while_its_source_is_down() -> None:
    source = Source()
    values = remembered(source)
    assert await values.get("a") == "a-1"
    values.doubt()
    source.is_down = True
    assert await values.get("a") == "a-1"
    source.is_down = False
    assert await values.get("a") == "a-3"
