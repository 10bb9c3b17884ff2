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
This test needs a small file system of its own, and this machine allows neither of the two ways to one:
mounting a tmpfs as root (in a container: --cap-add SYS_ADMIN), or `unshare -rm` as any user
(sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0)."""


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
    """A disk of that size: mounted on `folder` by root, else in a mount namespace of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={mib}m,mode=0755", "tmpfs", str(folder)]
    if _done(["mount", *options]):
        try:
            yield Disk(folder)
        finally:
            # Lazily: a server that was killed a moment ago may still hold a file.
            _done(["umount", "--lazy", str(folder)])
        return
    with _namespace(options) as pid:
        # What is mounted there can be seen from outside through its process.
        yield Disk(Path(f"/proc/{pid}/root{folder}"))


@contextmanager
def _namespace(options: list[str]) -> Iterator[int]:
    """A process in whose namespace the disk is mounted; both are gone on leaving."""
    if not shutil.which("unshare"):
        pytest.fail(HOW)
    script = 'mount "$@" && echo mounted && exec cat'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdin
        if holder.stdout.readline() != b"mounted\n":
            pytest.fail(HOW)
        yield holder.pid
        holder.stdin.close()


def _done(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
