"""What one run of a drain did, for those who watch: counts, seconds by step, how late readings became visible."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import polars as pl

from sensorhouse.errors import LogTruncated
from sensors_io.balance import Balance
from warehouse.batches import Batch

# Of one slice; enough for a 99th percentile of many.
_SAMPLES = 200


@dataclass
class Work:
    """Counts since the run began, or since it reported last; seconds are of the work itself, side by side in threads.

    `rows` are all that were decoded and taken; `cold` of them are in the lake only.
    """

    slices: int = 0
    messages: int = 0
    bytes: int = 0
    rows: int = 0
    cold: int = 0
    dead_letters: int = 0
    lake_commits: int = 0
    seconds: float = 0.0
    read_s: float = 0.0
    decode_s: float = 0.0
    load_s: float = 0.0
    lake_s: float = 0.0
    delays_s: list[pl.Series] = field(default_factory=list, repr=False)

    def count(self, batch: Batch) -> None:
        """Add a slice that was read and decoded."""
        self.slices += 1
        self.messages += batch.messages.height
        self.bytes += int(batch.messages.get_column("bytes").sum())
        self.rows += batch.rows.height
        self.cold += int(batch.rows.get_column("is_cold").sum())
        self.dead_letters += batch.dead.height
        self.read_s += batch.read_s
        self.decode_s += batch.decode_s

    def note_loaded(self, batch: Batch) -> None:
        """Remember how long ago the messages of a slice that can be queried now were accepted."""
        stamps = batch.messages.get_column("ingested_at").to_physical()
        every = max(1, len(stamps) // _SAMPLES)
        self.delays_s.append(time.time() - stamps.gather_every(every).cast(pl.Float64) / 1000)

    def freshness_s(self, quantile: float) -> float | None:
        """Of messages, from accepted by Kafka to committed in the warehouse; null when there were none."""
        if not self.delays_s:
            return None
        found = pl.concat(self.delays_s).quantile(quantile, "nearest")
        return None if found is None else max(0.0, found)


@dataclass
class Drained:
    """How a run ended, and its work since it reported last.

    `refused` says why nothing was done; `balance` is null then. `truncated` are partitions that wait for a person.
    """

    work: Work = field(default_factory=Work)
    partitions: tuple[int, ...] = ()
    refused: str | None = None
    balance: Balance | None = None
    truncated: list[LogTruncated] = field(default_factory=list)

    def begin_again(self) -> Work:
        """What was counted until now; from here on it is counted from zero."""
        counted, self.work = self.work, Work()
        return counted
