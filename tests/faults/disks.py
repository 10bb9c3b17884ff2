"""A disk of a few MiB that a test may fill, and make room on again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

HOW = """\
This test needs a small file system of its own, and may not mount one: be root (in a container: --cap-add SYS_ADMIN), or
let this user do `sudo mount` and `sudo umount` without a password. The mount said: """


@dataclass(frozen=True)
class Disk:
    """A file system; `root` is where it is seen."""

    root: Path

    @property
    def free_bytes(self) -> int:
        """What still fits."""
        found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take up all but so many bytes, as other programs' files would."""
        with (self.root / "ballast").open("ab", buffering=0) as ballast, suppress(OSError):
            # In small pieces: others write at the same time.
            while (left := self.free_bytes - leave_bytes) > 0:
                ballast.write(bytes(min(left, 64 << 10)))

    def make_room(self) -> None:
        """Give it back."""
        (self.root / "ballast").unlink()


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Disk]:
    """A disk of that size, mounted on `folder`; fails the test, and says what to do, where that isn't allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={mib}m,mode=0755,uid={os.geteuid()},gid={os.getegid()}"
    mounted = _as_root("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)
    if mounted.returncode != 0:
        pytest.fail(HOW + mounted.stderr)
    try:
        yield Disk(folder)
    finally:
        # Lazily: a server that was killed a moment ago may still hold a file.
        _as_root("umount", "--lazy", folder)


def _as_root(*command: object) -> subprocess.CompletedProcess[str]:
    before = [] if os.geteuid() == 0 or not shutil.which("sudo") else ["sudo", "-n"]
    return subprocess.run([*before, *map(str, command)], capture_output=True, text=True, check=False)
