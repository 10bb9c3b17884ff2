"""Faults drawn at random, one after another, while data flows; each schedule is known by its seed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from sensorhouse.settings import Settings
from tests.faults.clocks import set_clock, with_clock
from tests.faults.disks import Disk, small_disk
from tests.faults.matrix import MATRIX
from tests.faults.proxy import Proxy
from tests.faults.requests import is_commit_of_a_slice, is_commit_to_the_lake, is_fetch
from tests.faults.sessions import end_sessions
from tests.faults.trial import World, in_a_folder, trial
from tests.servers import Server, Servers

# Those of `make test`, and those that `make faults` adds.
SAMPLE, ALL = 3, 50
FAULTS_EACH = 3


@dataclass(frozen=True)
class Target:
    """What a schedule may hurt."""

    world: World
    servers: Servers
    proxies: dict[str, Proxy]
    settings: Settings
    chance: random.Random
    disk: Disk | None
    clock: Path | None

    def server(self) -> Server:
        """One of the three."""
        return getattr(self.servers, self.chance.choice(["kafka", "postgres", "s3"]))  # type: ignore[no-any-return]


def kill_drains(target: Target) -> None:
    target.world.drains.kill()


def stop_drains_for_a_while(target: Target) -> None:
    for one in target.world.drains.living:
        one.pause()
    time.sleep(target.chance.uniform(0.2, 1.5))
    for one in target.world.drains.living:
        one.wake()


def stop_drains_and_end_their_sessions(target: Target) -> None:
    stopped = list(target.world.drains.living)
    for one in stopped:
        one.pause()
    which = target.chance.choice(["its locks' session", "all its sessions"])
    end_sessions(target.settings, which)
    # Others take over while these lie still.
    target.world.drains.replace(stopped)
    time.sleep(target.chance.uniform(0.5, 2))
    for one in stopped:
        one.wake()


def kill_a_server(target: Target) -> None:
    server = target.server()
    server.kill()
    server.start()


def stop_a_server_for_a_while(target: Target) -> None:
    server = target.server()
    server.pause()
    time.sleep(target.chance.uniform(0.2, 2))
    server.resume()


def sever_a_connection(target: Target) -> None:
    proxy = target.proxies[target.chance.choice(sorted(target.proxies))]
    proxy.sever()
    time.sleep(target.chance.uniform(0.1, 1))
    proxy.mend()


def lose_an_answer(target: Target) -> None:
    name, match, at_least = target.chance.choice(
        [("postgres", is_commit_of_a_slice, 0), ("s3", is_commit_to_the_lake, 0), ("kafka", is_fetch, 1_000)]
    )
    target.proxies[name].lose_answers(match, times=target.chance.randint(1, 2), at_least=at_least)


def fill_the_disk_for_a_while(target: Target) -> None:
    assert target.disk
    target.disk.fill(leave_bytes=target.chance.randrange(30 << 10))
    time.sleep(target.chance.uniform(0.2, 2))
    target.disk.make_room()


def set_the_clock_back_for_a_while(target: Target) -> None:
    assert target.clock
    set_clock(target.clock, f"-{target.chance.randint(1, 14)}m")
    time.sleep(target.chance.uniform(0.2, 2))
    set_clock(target.clock, "+0")


FAULTS: tuple[Callable[[Target], None], ...] = (
    kill_drains,
    stop_drains_for_a_while,
    stop_drains_and_end_their_sessions,
    kill_a_server,
    stop_a_server_for_a_while,
    sever_a_connection,
    lose_an_answer,
)


def seeds() -> list[object]:
    """The one that FAULT_SEED names, else new ones each time."""
    if given := os.environ.get("FAULT_SEED"):
        return [int(given)]
    # The same in each process, when several share the tests; without one, from the system's chance.
    chance = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID"))
    drawn = [chance.randrange(1 << 32) for _ in range(ALL)]
    return [pytest.param(seed, marks=[pytest.mark.long] if i >= SAMPLE else []) for i, seed in enumerate(drawn)]


@pytest.mark.parametrize("seed", seeds())
def test_a_random_schedule_of_faults_loses_and_doubles_nothing(
    servers: Servers, small: Settings, through: Settings, proxies: dict[str, Proxy], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    drains, has_disk, has_clock = chance.choice([1, 2]), chance.random() < 0.25, chance.random() < 0.25
    faults = [*FAULTS, *[fill_the_disk_for_a_while] * 2 * has_disk, *[set_the_clock_back_for_a_while] * 2 * has_clock]
    schedule = [chance.choice(faults) for _ in range(FAULTS_EACH)]
    told = ", ".join(fault.__name__.replace("_", " ") for fault in schedule)
    MATRIX.told.append(f"FAULT_SEED={seed}: {drains} drains; {told}")
    with ExitStack() as stack:
        disk = clock = None
        environment = {}
        if has_disk:
            disk = stack.enter_context(small_disk(tmp_path / "disk", mib=32))
            small, through = (in_a_folder(one, disk.root / "lake") for one in (small, through))
        if has_clock:
            clock = tmp_path / "clock"
            set_clock(clock, "+0")
            environment = with_clock(clock)
        world = stack.enter_context(
            trial(
                small,
                tmp_path,
                "random schedule of three",
                "by seed",
                through=through,
                drains=drains,
                environment=environment,
            )
        )
        target = Target(world, servers, proxies, small, chance, disk, clock)
        world.wait_for_flow(50)
        for fault in schedule:
            fault(target)
            world.workload.wait_for(chance.randrange(10, 60))
