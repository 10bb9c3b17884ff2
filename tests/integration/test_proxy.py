"""nginx in front of the API and Dagster's UI, with the configuration that infra/proxy holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.sign_in import COOKIE
from infra.local import dagster, ports, services
from infra.local.part import Part
from infra.local.processes import Command
from sensorhouse.settings import Settings
from tests.api import token
from tests.servers import Server
from warehouse.database import create_database

CONFIGURATION = Path("infra/proxy/nginx.conf")
MAY_LAUNCH = "{permissions{permission value}}"


@pytest.fixture
def proxy(demo: Settings, tmp_path: Path) -> Iterator[str]:
    """The address of nginx, with an API and both of Dagster's UIs behind it."""
    ours = dict(zip((8000, 3000, 3001, 8080), ports.free(4), strict=True))
    settings = demo.model_copy(
        update={
            "api_port": ours[8000],
            "dagster_port": ours[3000],
            "dagster_viewers_port": ours[3001],
            "dagster_path": "/dagster",
        }
    )
    create_database(settings.dagster_url)
    dagster.prepare(settings)
    parts = (services.api(settings), *dagster.webservers(settings), nginx(ours, tmp_path))
    servers = [Server(part, tmp_path / f"{part.name}.log") for part in parts]
    try:
        # Whoever asks Dagster's storage first makes its tables; two who do so at once fail.
        for server in servers:
            server.start()
        yield parts[-1].address
    finally:
        for server in servers:
            server.stop()


def nginx(ours: dict[int, int], folder: Path) -> Part:
    """nginx with the project's configuration, on other ports, in the foreground, writing into a folder only."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not program:
        pytest.fail("nginx is not there: run infra/install-nginx")
    text = CONFIGURATION.read_text()
    for usual, port in ours.items():
        assert f":{usual};" in text
        text = text.replace(f":{usual};", f":{port};")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(text.replace("http {", f"http {{ access_log off; {temporary}", 1))
    address = f"http://127.0.0.1:{ours[8080]}"
    directives = f"daemon off; pid {folder}/nginx.pid; error_log stderr;"
    command: Command = [program, "-e", "stderr", "-c", folder / "nginx.conf", "-g", directives]
    return Part("nginx", command=lambda: command, is_ready=lambda _: answers(address), address=address)


def answers(address: str) -> bool:
    """Whether the API answers through the proxy."""
    try:
        return httpx.get(f"{address}/livez", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_dagsters_ui_is_for_who_signed_in_and_acting_in_it_for_operators(demo: Settings, proxy: str) -> None:
    with httpx.Client(base_url=proxy, timeout=20) as client:
        refused = client.get("/dagster/runs")
        assert (refused.status_code, refused.headers["location"]) == (303, f"{proxy}/sign-in?onward=/dagster")
        form = {"username": "vera", "password": "sensorhouse-demo", "onward": "/dagster"}
        assert client.post("/sign-in", data=form).headers["location"] == "/dagster"
        page = client.get("/dagster", follow_redirects=True)
        assert page.status_code == 200
        assert "Dagster" in page.text

    may_launch = {user: launches(demo, proxy, user) for user in ("vera", "paul", "olivia", "root")}
    assert may_launch == {"vera": False, "paul": False, "olivia": True, "root": True}
    for outsider in ("ada", "gateway"):
        assert ask(demo, proxy, outsider).status_code == 403


def ask(settings: Settings, proxy: str, user: str) -> httpx.Response:
    """What Dagster tells this user of permissions."""
    cookies = {COOKIE: token(settings, user)}
    return httpx.post(f"{proxy}/dagster/graphql", json={"query": MAY_LAUNCH}, cookies=cookies, timeout=20)


def launches(settings: Settings, proxy: str, user: str) -> bool:
    """Whether this user may launch runs."""
    permissions = ask(settings, proxy, user).json()["data"]["permissions"]
    (value,) = {one["value"] for one in permissions if one["permission"] == "launch_pipeline_execution"}
    return bool(value)
