"""A connection that is cut in the middle of a commit: the answer is lost, the commit is not, and nothing is doubled."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sensorhouse.settings import Settings
from tests.faults.proxy import Match, Proxy
from tests.faults.requests import is_commit_of_a_slice, is_commit_to_the_lake, is_fetch
from tests.faults.trial import trial

CUTS = 3


@pytest.mark.parametrize(
    ("name", "match", "at_least"),
    [
        pytest.param("postgres", is_commit_of_a_slice, 0, id="postgres"),
        pytest.param("s3", is_commit_to_the_lake, 0, id="s3"),
        # An answer that carries messages, not one that says there are none.
        pytest.param("kafka", is_fetch, 1_000, id="kafka"),
    ],
)
def test_an_answer_lost_on_its_way_back_doubles_nothing(
    small: Settings,
    through: Settings,
    proxies: dict[str, Proxy],
    tmp_path: Path,
    name: str,
    match: Match,
    at_least: int,
) -> None:
    proxy = proxies[name]
    with trial(small, tmp_path, "TCP cut in the middle of a commit", name, through=through) as world:
        for cut in range(1, CUTS + 1):
            world.wait_for_flow()
            proxy.lose_answers(match, times=1, at_least=at_least)
            proxy.wait_for_cuts(cut)
        world.wait_for_flow()


@pytest.mark.long
def test_a_network_that_parts_them_for_seconds_loses_and_doubles_nothing(
    small: Settings, through: Settings, proxies: dict[str, Proxy], tmp_path: Path
) -> None:
    with trial(small, tmp_path, "network parted for 2 s", "kafka, postgres, s3", through=through) as world:
        for proxy in proxies.values():
            world.wait_for_flow()
            proxy.sever()
            time.sleep(2)  # The fault itself.
            proxy.mend()
        world.wait_for_flow()
