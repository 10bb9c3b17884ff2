"""CPU seconds and memory of processes, as the kernel counts them."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Meter:
    """The CPU seconds that named processes, each with its children, have used since the meter was made.

    A name may stand for several processes.
    """

    pids: Mapping[str, Sequence[int]]
    before: Mapping[str, float]

    @classmethod
    def of(cls, pids: Mapping[str, int | Sequence[int]]) -> Meter:
        """One that starts at zero."""
        several = {name: [given] if isinstance(given, int) else given for name, given in pids.items()}
        return cls(several, {name: cpu_s(*given) for name, given in several.items()})

    def read(self) -> dict[str, float]:
        """CPU seconds by name."""
        return {name: cpu_s(*pids) - self.before[name] for name, pids in self.pids.items()}


def cpu_s(*pids: int) -> float:
    """CPU seconds of processes, of their living descendants and of their children that have ended."""
    stats = _stats()
    # [11] and [12]: its own, in user and kernel mode; [13] and [14]: of children that were waited for.
    tree = {found for pid in pids for found in _tree(pid, stats)}
    return sum(float(field) for found in tree for field in stats[found][11:15]) / _TICKS_PER_S


def ended_children_cpu_s() -> float:
    """CPU seconds of our own children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rss_mib(pid: int) -> float:
    """Memory that a process and its living descendants hold now."""
    stats = _stats()
    return sum(int(stats[found][21]) for found in _tree(pid, stats)) * _PAGE_BYTES / (1 << 20)


def peak_rss_mib(pid: int | str = "self") -> float:
    """The most memory that this program has held; `getrusage` would count what its parent held before it."""
    status = Path(f"/proc/{pid}/status").read_text()
    held = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(held.split()[1]) / 1024


def busy(*, for_s: float = 0.5) -> float:
    """The share of this machine's processors that is in use."""
    used, total = _jiffies()
    time.sleep(for_s)
    used_then, total_then = _jiffies()
    return (used_then - used) / max(total_then - total, 1)


def wait_quiet(*, within_s: float, busy_below: float = 0.2) -> float:
    """Wait a while for other programs to rest; returns how busy they still keep the processors."""
    deadline = time.monotonic() + within_s
    while (share := busy()) > busy_below and time.monotonic() < deadline:
        pass
    return share


def machine() -> str:
    """This machine in a few words."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else os.uname().machine
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / (1 << 20)
    return f"{os.cpu_count()} × {model}, {memory:.0f} GiB, Linux {os.uname().release}"


def _stats() -> dict[int, list[str]]:
    """Per pid, the fields of /proc/<pid>/stat from the state on."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                # The name in parentheses may hold spaces and parentheses itself.
                found[int(entry.name)] = Path(entry.path, "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
    return found


def _tree(pid: int, stats: Mapping[int, list[str]]) -> list[int]:
    """A process and its living descendants."""
    tree, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        tree += [parent] if parent in stats else []
        waiting += [child for child, stat in stats.items() if int(stat[1]) == parent]
    return tree


def _jiffies() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, sum(fields)
