"""A server that is killed while data flows, and comes back, takes nothing with it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sensorhouse.settings import Settings
from tests.faults.trial import trial
from tests.servers import Servers


@pytest.mark.parametrize("name", ["kafka", "postgres", "s3"])
def test_a_server_killed_while_data_flows_loses_and_doubles_nothing(
    servers: Servers, small: Settings, tmp_path: Path, name: str
) -> None:
    server = getattr(servers, name)
    with trial(small, tmp_path, "SIGKILL of a server while data flows", name) as world:
        for _ in range(2):
            world.wait_for_flow()
            server.kill()
            server.start()
        world.wait_for_flow()


@pytest.mark.long
@pytest.mark.parametrize("name", ["kafka", "postgres", "s3"])
def test_a_server_that_lies_still_for_seconds_loses_and_doubles_nothing(
    servers: Servers, small: Settings, tmp_path: Path, name: str
) -> None:
    server = getattr(servers, name)
    with trial(small, tmp_path, "a server stops answering for 3 s", name) as world:
        world.wait_for_flow()
        server.pause()
        time.sleep(3)  # The fault itself.
        server.resume()
        world.wait_for_flow()
