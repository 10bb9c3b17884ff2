"""The S3 server of the tests: versitygw over a folder."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from infra.local import places, tools
from infra.local.part import Part, bare_environment
from infra.local.ports import Port
from sensorhouse.settings import Settings


def part(settings: Settings, *, port: int, access_key: str, secret_key: str) -> Part:
    """The server on `port`, its buckets below the state folder, with one account."""
    data = places.state_dir(settings) / "s3"
    return Part(
        name="s3",
        command=lambda: [
            tools.versitygw(settings),
            "--port",
            f"127.0.0.1:{port}",
            "--quiet",
            "posix",
            *_metadata(data),
            data,
        ],
        is_ready=lambda _: answers(f"http://127.0.0.1:{port}"),
        # Not as options, which every user of the machine can read.
        environment=lambda: (
            bare_environment(settings) | {"ROOT_ACCESS_KEY_ID": access_key, "ROOT_SECRET_ACCESS_KEY": secret_key}
        ),
        address=f"http://127.0.0.1:{port}",
        ports=(Port(port, "S3_ENDPOINT"),),
        prepare=lambda: _make(data),
        folder=places.state_dir(settings),
    )


def answers(url: str) -> bool:
    """Whether anything speaks HTTP there; a request without a signature is refused, and that will do."""
    try:
        urlopen(url, timeout=2)
    except HTTPError:
        return True
    except (URLError, OSError):
        return False
    return True


def _metadata(data: Path) -> list[object]:
    """Where it keeps what a file can't say of itself: in the file system's attributes, or beside the data."""
    try:
        os.setxattr(data, "user.sensorhouse", b"1")
    except OSError:
        beside = data.with_name(f"{data.name}-metadata")
        beside.mkdir(exist_ok=True)
        return ["--sidecar", beside]
    return []


def _make(data: Path) -> None:
    data.mkdir(parents=True, exist_ok=True)
