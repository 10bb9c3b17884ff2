"""What takes orders is killed under load: every acknowledged order is there once, and a repeat gets the same one."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from bench import connections, order_count, order_load, vegeta
from bench.order_phases import acknowledged
from bench.order_users import People, add_people
from bench.vegeta import Load
from infra.local import ports, processes, services
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.feeds import orders_feed
from sensors_io.lake import open_lake
from tests.faults.matrix import MATRIX
from tests.servers import Server, Servers

# Each client sends again until it is answered, so none may be left without an answer in the end.
ANSWER_WITHIN_S = 240
# More than can be answered here.
TARGETS_PER_S = 2_500


@dataclass(frozen=True)
class Trial:
    """How many connections order for how long, and how often something is killed meanwhile."""

    connections: int
    seconds: float
    kills: int


FEW = Trial(connections=50, seconds=10, kills=1)
MANY = Trial(connections=5_000, seconds=120, kills=10)


@dataclass(frozen=True)
class Ordering:
    """An API and a relay, with people who order there."""

    settings: Settings
    people: People
    servers: dict[str, Server]
    folder: Path

    def targets(self, number: int) -> list[bytes]:
        """That many orders, each with a key of its own."""
        url = services.url(self.settings)
        return list(islice(order_load.order_targets(url, self.people, "k"), number))

    def send(self, targets: list[bytes], load: Load) -> pl.DataFrame:
        """Send them until the time or the targets are over; returns the answers."""
        file = self.folder / "targets"
        file.write_bytes(b"".join(targets))
        address = f"127.0.0.1:{self.settings.api_port}"
        program = vegeta.program(self.settings)
        return vegeta.attack(program, address, file, load, lambda: None, may_run_out=True)


@contextmanager
def ordering(servers: Servers, settings: Settings, folder: Path) -> Iterator[Ordering]:
    parts = {
        one.name: Server(one, folder / f"{one.name}.log") for one in (services.api(settings), services.relay(settings))
    }
    people = add_people(settings)
    try:
        for part in parts.values():
            part.start()
        yield Ordering(settings, people, {**parts, "postgres": servers.postgres}, folder)
    finally:
        for part in parts.values():
            part.stop()


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> Iterator[Settings]:
    (port,) = ports.free(1)
    made = servers.new_settings(state_dir=tmp_path, api_port=port)
    yield made
    servers.start()
    servers.drop(made)


def kill_with_children(server: Server) -> None:
    """SIGKILL to it and to the processes that do its work."""
    assert server.process
    family = [*processes.children(server.process.pid), *filter(None, [processes.identity(server.process.pid)])]
    processes.send(family, signal.SIGKILL)
    server.process.wait()
    assert processes.wait_ended(family, within_s=5) == []


def keep_killing(server: Server, times: int, load: Future[pl.DataFrame]) -> None:
    """Kill it and start it again, with a little time to work in between; all of it while the load is on."""
    dice = random.Random(server.part.name)
    for _ in range(times):
        time.sleep(dice.uniform(2.0, 5.0))  # Part of the fault: at which moment it strikes.
        kill_with_children(server)
        server.start()
        assert not load.done(), "the load ended before the last kill"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["api", "relay", "postgres"])
@pytest.mark.parametrize("trial", [FEW, pytest.param(MANY, marks=pytest.mark.long)], ids=["few", "many"])
def test_a_part_killed_under_orders_loses_and_doubles_none_and_repeats_get_the_same(
    servers: Servers, settings: Settings, tmp_path: Path, name: str, trial: Trial
) -> None:
    row = MATRIX.begin(f"SIGKILL, {trial.kills} times under {trial.connections:,} orders at once", name)
    connections.allow(trial.connections)
    load = Load(trial.connections, trial.seconds, answer_within_s=ANSWER_WITHIN_S, is_patient=True)
    with ordering(servers, settings, tmp_path) as orders, ThreadPoolExecutor(1) as beside:
        targets = orders.targets(int(TARGETS_PER_S * trial.seconds))
        sending = beside.submit(orders.send, targets, load)
        keep_killing(orders.servers[name], trial.kills, sending)
        first = sending.result()
        again = orders.send(targets[: first.height], load)
        order_count.wait_published(settings, within_s=120)
    for answers in (first, again):
        assert answers["code"].unique().to_list() == [201], answers.group_by("code", "error").len()
    drain(settings, orders_feed(settings), open_lake(settings), run_id="after")
    counted = order_count.count(settings, acknowledged(first))
    row.acknowledged += counted.acknowledged
    row.lost += counted.lost
    row.doubled += counted.doubled
    assert {(place.orders, place.missing, place.doubled) for place in counted.places} == {(first.height, 0, 0)}, counted
    assert acknowledged(again).sort("key").equals(acknowledged(first).sort("key"))
    row.failed -= 1
