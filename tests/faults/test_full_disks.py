"""A disk that is full stops the drain and takes nothing; once there is room, it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.local import places, ports, postgres
from sensorhouse.settings import Settings
from tests.faults.disks import Disk, small_disk
from tests.faults.drains import Drains
from tests.faults.trial import in_a_folder, trial
from tests.servers import Server
from tests.waiting import wait_until
from warehouse.database import create_database, migrate


def test_a_lake_on_a_full_disk_takes_the_rest_once_there_is_room(small: Settings, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mib=16) as disk:
        settings = in_a_folder(small, disk.root / "lake")
        with trial(settings, tmp_path, "disk full, then room is made", "lake") as world:
            world.wait_for_flow()
            disk.fill()
            wait_for_downs(world.drains, 1)
            world.workload.wait_for(100)
            disk.make_room()
            world.wait_for_flow()


@pytest.mark.long
def test_a_lake_whose_disk_fills_up_little_by_little_is_left_whole(small: Settings, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mib=16) as disk:
        settings = in_a_folder(small, disk.root / "lake")
        with trial(settings, tmp_path, "disk full in the middle of a file, then room is made", "lake") as world:
            for leave_bytes in (1 << 10, 9 << 10, 30 << 10):
                world.wait_for_flow()
                before = downs(world.drains)
                disk.fill(leave_bytes=leave_bytes)
                wait_for_downs(world.drains, before + 1)
                disk.make_room()
            world.wait_for_flow()


def test_a_warehouse_on_a_full_disk_takes_the_rest_once_there_is_room(small: Settings, tmp_path: Path) -> None:
    with postgres_on_a_small_disk(tmp_path / "postgres", mib=320) as (database, disk, url):
        settings = Settings(_env_file=None, **(small.model_dump() | {"postgres_url": url}))
        with trial(settings, tmp_path, "disk full, then room is made", "postgres") as world:
            world.wait_for_flow()
            disk.fill()
            wait_for_downs(world.drains, 1)
            world.workload.wait_for(100)
            disk.make_room()
            # It ends itself when it can't write its log; whoever keeps it starts it again.
            database.start()
            world.wait_for_flow()


def downs(drains: Drains) -> int:
    """How many drains ended because a server did not take what they had."""
    return sum(one.outcome.startswith("down") for one in list(drains.all))


def wait_for_downs(drains: Drains, count: int) -> None:
    wait_until(lambda: downs(drains) >= count, "a drain finds the disk full")


@contextmanager
def postgres_on_a_small_disk(folder: Path, mib: int) -> Iterator[tuple[Server, Disk, str]]:
    """A Postgres of its own, its data on a disk of that size, with an empty warehouse at the URL."""
    [port] = ports.free(1)
    settings = Settings(_env_file=None, state_dir=folder, postgres_port=port, postgres_password=SecretStr("tests"))
    place = places.postgres_data(settings).parent
    with small_disk(place, mib) as disk:
        server = Server(postgres.part(settings), folder.with_suffix(".log"))
        try:
            server.start()
            create_database(settings.database_url)
            migrate(settings.database_url)
            yield server, disk, settings.database_url
        finally:
            server.stop()
    shutil.rmtree(place, ignore_errors=True)
