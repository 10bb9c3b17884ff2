"""The API held against its own document: schemathesis makes requests of it, and none of its checks may fail.

`make explore` does it for longer, and as everybody.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.places import CHECKOUT
from sensorhouse.settings import Settings
from tests.api import served, token
from tests.servers import Servers
from warehouse.accounts import add_user, seed_demo

# The same requests each time.
SAME = "--generation-deterministic"


# One server for all of them: what a fault left behind is met by the next.
@pytest.fixture(scope="module")
def demo(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = servers.new_settings(state_dir=tmp_path_factory.mktemp("state"))
    seed_demo(settings.database_url)
    add_user(settings.database_url, "root", "a long pass phrase", ["admin"])
    yield settings
    servers.drop(settings)


@pytest.fixture(scope="module")
def url(demo: Settings) -> Iterator[str]:
    with served(demo) as (url, _):
        yield url


def assert_no_check_fails(settings: Settings, url: str, user: str, folder: Path, *options: str) -> None:
    """With all of the tool's default checks and phases; schemathesis.toml tells what the document can't."""
    schemathesis: list[str | Path] = [
        Path(sys.executable).with_name("schemathesis"),
        "--config-file",
        CHECKOUT / "schemathesis.toml",
    ]
    header = f"Authorization: Bearer {token(settings, user)}"
    command = [*schemathesis, "run", f"{url}/openapi.json", "--header", header, "--no-color", *options]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(180)
def test_whatever_a_customer_asks_the_answer_is_as_the_document_says(demo: Settings, url: str, tmp_path: Path) -> None:
    assert_no_check_fails(demo, url, "ada", tmp_path, "--max-examples", "2", SAME)


@pytest.mark.timeout(180)
def test_wherever_links_lead_an_admin_the_answer_is_as_the_document_says(
    demo: Settings, url: str, tmp_path: Path
) -> None:
    # Without sign-ups, of which each costs a third of a second.
    orders = ["--include-path-regex", "^/(orders|sensors|receipts|auth/me)"]
    assert_no_check_fails(demo, url, "root", tmp_path, "--phases", "stateful", "--max-examples", "20", SAME, *orders)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("user", ["ada", "gateway", "olivia", "paul", "vera", "root"])
def test_whatever_anybody_asks_the_answer_is_as_the_document_says(
    demo: Settings, url: str, tmp_path: Path, user: str
) -> None:
    assert_no_check_fails(demo, url, user, tmp_path)
