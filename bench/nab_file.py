"""NAB's recordings, labels and published scores in one file of a megabyte: packed from a checkout, and read back."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

# NAB's own licence (MIT) lies beside it.
PACKED = Path(__file__).parent / "corpora" / "nab.parquet"
# In a checkout, and in a folder that has only what is needed here.
_PUBLISHED = ("results/final_results.json", "published_final_results.json")


@dataclass(frozen=True)
class Recording:
    """A file of the corpus; times and the windows' first and last instants in microseconds, as if in UTC."""

    name: str
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    windows: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Nab:
    """The whole corpus, and by detector and profile the scores that were published."""

    recordings: Sequence[Recording]
    published: Mapping[str, Mapping[str, float]]


def read(path: Path) -> Nab:
    """A checkout of the benchmark, or what `pack` made of one."""
    return _of_checkout(path) if path.is_dir() else _of_file(path)


def pack(corpus: Nab, path: Path) -> None:
    """Write the file: the readings one recording after the other, and all else as JSON in its metadata."""
    columns = {
        "time": np.concatenate([one.times for one in corpus.recordings]),
        "value": np.concatenate([one.values for one in corpus.recordings]),
    }
    recordings = [(one.name, len(one.times), list(one.windows)) for one in corpus.recordings]
    told = {"recordings": json.dumps(recordings), "published": json.dumps(corpus.published)}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table(columns).replace_schema_metadata(told),
        path,
        compression="zstd",
        compression_level=19,
        row_group_size=len(columns["time"]),
        # Half the size of what dictionaries make of them.
        use_dictionary=False,
        column_encoding={"time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
    )


def _of_file(path: Path) -> Nab:
    table = pq.read_table(path)
    told = table.schema.metadata or {}
    recordings: list[tuple[str, int, list[list[int]]]] = json.loads(told[b"recordings"])
    times, values = table["time"].to_numpy(), table["value"].to_numpy()
    found, first = [], 0
    for name, readings, windows in recordings:
        mine = slice(first, first + readings)
        found.append(Recording(name, times[mine], values[mine], [(start, end) for start, end in windows]))
        first += readings
    return Nab(found, json.loads(told[b"published"]))


def _of_checkout(folder: Path) -> Nab:
    labels: dict[str, list[list[str]]] = json.loads((folder / "labels" / "combined_windows.json").read_text())
    published = next(folder / name for name in _PUBLISHED if (folder / name).exists())
    recordings = []
    for name, windows in labels.items():
        table = pl.read_csv(folder / "data" / name, schema_overrides={"value": pl.Float64}, try_parse_dates=True)
        times = table.get_column("timestamp").cast(pl.Datetime("us")).to_physical().to_numpy()
        limits = [_instants(window) for window in windows]
        recordings.append(Recording(name, times, table.get_column("value").to_numpy(), limits))
    return Nab(recordings, json.loads(published.read_text()))


def _instants(window: Sequence[str]) -> tuple[int, int]:
    start, end = pl.Series(window).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us").to_physical()
    return start, end


if __name__ == "__main__":
    pack(read(Path(sys.argv[1])), PACKED)
