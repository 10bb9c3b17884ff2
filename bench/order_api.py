"""The API with other settings, and the empty POST in its place: each a server of its own, started as the stack does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from infra.local import ports, services
from infra.local.part import Part
from infra.local.processes import Command
from sensorhouse.settings import PREFIX, Settings
from tests.servers import Server

EMPTY_POST = "bench.empty_post:create_app"


@dataclass(frozen=True)
class Served:
    """A server that is asked."""

    url: str
    port: int
    pid: int


@contextmanager
def api(settings: Settings, folder: Path, **changes: object) -> Iterator[Served]:
    """Another API beside the stack's, on a port of its own, with settings changed."""
    changed = {f"{PREFIX}{name.upper()}": str(value) for name, value in changes.items()}
    elsewhere = settings.model_copy(update={"api_port": ports.free(1)[0]})
    part = services.api(elsewhere)

    def environment() -> Mapping[str, str]:
        return {**part.environment(), **changed}

    with _serving(replace(part, environment=environment), elsewhere, folder / f"{'-'.join(changes)}.log") as served:
        yield served


@contextmanager
def empty_post(settings: Settings, folder: Path) -> Iterator[Served]:
    """The empty POST, served with the API's options."""
    elsewhere = settings.model_copy(update={"api_port": ports.free(1)[0]})
    part = services.api(elsewhere)
    url = services.url(elsewhere)

    def command() -> Command:
        assert part.command
        # The last word is the app.
        return [*part.command()[:-1], EMPTY_POST]

    with _serving(
        replace(part, command=command, is_ready=lambda _: _answers(url)), elsewhere, folder / "empty_post.log"
    ) as served:
        yield served


@contextmanager
def _serving(part: Part, settings: Settings, log: Path) -> Iterator[Served]:
    server = Server(part, log)
    try:
        server.start()
        assert server.process
        yield Served(services.url(settings), settings.api_port, server.process.pid)
    finally:
        server.stop()


def _answers(url: str) -> bool:
    """Whether something answers there, whatever it says."""
    try:
        with urlopen(url, timeout=2):
            return True
    except HTTPError:
        return True
    except (URLError, OSError):
        return False
