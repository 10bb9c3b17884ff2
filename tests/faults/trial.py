"""A trial: a workload and drains go on while a fault strikes; then a quiet drain, the verdict, a line in the matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sensorhouse.settings import Settings
from tests.faults.drains import Drains
from tests.faults.matrix import MATRIX, Row
from tests.faults.verdict import Verdict, drain_quietly, verify
from tests.faults.workload import Sendings, Workload
from tests.waiting import wait_until


@dataclass(frozen=True)
class World:
    """What goes on while the fault strikes."""

    workload: Workload
    drains: Drains

    def wait_for_flow(self, messages: int = 100, within_s: float = 60) -> None:
        """Wait until that many more messages were acknowledged, and a drain has got on too."""
        reached = len(self.drains.steps)
        self.workload.wait_for(messages, within_s)
        wait_until(lambda: len(self.drains.steps) > reached + 2, "a drain gets on", within_s)


@contextmanager
def trial(
    settings: Settings,
    folder: Path,
    fault: str,
    where: str = "",
    *,
    through: Settings | None = None,
    drains: int = 1,
    environment: dict[str, str] | None = None,
    timestamp_ms: Callable[[int], int] | None = None,
) -> Iterator[World]:
    """Let data flow while the caller does harm; on leaving, judge what is left.

    The drains go `through` other settings than the workload and the verdict, where these lead past a proxy.
    """
    row = MATRIX.begin(fault, where)
    workload = Workload(settings, timestamp_ms=timestamp_ms)
    with Drains(through or settings, folder / "drains", count=drains, environment=environment) as kept, workload:
        yield World(workload, kept)
    conclude(settings, row, workload.sendings)
    if kept.surprises:
        row.failed += 1
        pytest.fail("\n".join(kept.surprises))


def conclude(settings: Settings, row: Row, sendings: Sendings) -> Verdict:
    """Drain what is left, judge, note it, and fail when anything is lost, doubled or apart."""
    drain_quietly(settings)
    verdict = verify(settings, sendings)
    MATRIX.add(row, verdict)
    assert verdict.is_good, verdict
    return verdict


def in_a_folder(settings: Settings, lake: Path) -> Settings:
    """The same with the lake in a folder."""
    nothing = {"s3_endpoint": None, "s3_access_key_id": None, "s3_secret_access_key": None}
    return Settings(_env_file=None, **(settings.model_dump() | nothing | {"lake_url": str(lake)}))
