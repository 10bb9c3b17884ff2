"""Child processes: started so that they end with us, recognised again by pid and start time, and ended."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1

# Loaded here, not between fork and exec, where another thread may hold the loader's lock.
_libc = ctypes.CDLL(None, use_errno=True)


# Its words: text, paths and numbers, written out with str().
Command = Sequence[object]


@dataclass(frozen=True)
class Owner:
    """The system user that a process runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Identity:
    """A process that can't be mistaken for a later one with the same pid."""

    pid: int
    start_time: int


def start(
    command: Command,
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path,
    owner: Owner | None = None,
    dies_with_us: signal.Signals = signal.SIGTERM,
    niceness: int = 0,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, its output appended to `log`.

    When the calling thread ends, however it ends, the process gets `dies_with_us`: so call it from the main thread.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    ours = os.getpid()

    def end_with_parent() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, dies_with_us)
        if os.getppid() != ours:
            os._exit(1)
        if niceness:
            _stand_behind(niceness)

    with log.open("ab") as output:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - it calls nothing that takes a lock
            user=owner.uid if owner else None,
            group=owner.gid if owner else None,
            extra_groups=[] if owner else None,
        )


def _stand_behind(niceness: int) -> None:
    """Give this process's session less of a busy processor."""
    os.nice(niceness)
    # Linux shares the processor among sessions first, and a nice process then only stands behind others of its own.
    with suppress(OSError):
        group = os.open("/proc/self/autogroup", os.O_WRONLY)
        os.write(group, str(niceness).encode())
        os.close(group)


def run(command: Command, *, environment: Mapping[str, str], folder: Path, owner: Owner | None = None) -> str:
    """Run a command to its end and return what it printed; raises `subprocess.CalledProcessError`, output included."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=folder,
        text=True,
        check=True,
        user=owner.uid if owner else None,
        group=owner.gid if owner else None,
        extra_groups=[] if owner else None,
    )
    return done.stdout


def identity(pid: int) -> Identity | None:
    """The living process with this pid, or None; one that has ended and was not reaped yet is not living."""
    stat = _stat(pid)
    return None if stat is None or stat[0] in "ZX" else Identity(pid, int(stat[19]))


def is_alive(process: Identity) -> bool:
    """Whether that very process still runs."""
    return identity(process.pid) == process


def ourselves() -> Identity:
    """This process."""
    us = identity(os.getpid())
    assert us
    return us


def session(leader: int) -> list[Identity]:
    """Every living process of the session that `leader` started: itself, its children and theirs."""
    return [found for found, stat in _all() if int(stat[3]) == leader]


def children(parent: int) -> list[Identity]:
    """Every living process that it started itself."""
    return [found for found, stat in _all() if int(stat[1]) == parent]


def with_environment(name: str, value: str) -> list[Identity]:
    """Every living process that was started with that environment variable, as far as we may look."""
    return [found for found, _ in _all() if _has_environment(found.pid, f"{name}={value}".encode())]


def send(processes: Iterable[Identity], number: signal.Signals) -> None:
    """Signal those that still run."""
    for process in processes:
        if is_alive(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def wait_ended(processes: Iterable[Identity], within_s: float) -> list[Identity]:
    """Wait until all have ended; returns those that have not."""
    deadline = time.monotonic() + within_s
    left = list(processes)
    while (left := [process for process in left if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _has_environment(pid: int, setting: bytes) -> bool:
    try:
        return setting in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _all() -> Iterator[tuple[Identity, list[str]]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) and stat[0] not in "ZX":
            yield Identity(int(entry.name), int(stat[19])), stat


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the state on: [0] state, [1] parent, [3] session, [19] start time."""
    try:
        # The name in parentheses may hold spaces and parentheses itself.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
