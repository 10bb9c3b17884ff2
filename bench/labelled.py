"""How well the batch detector ranks labelled series, each beside what others were published to reach on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.detectors.batch import score
from bench.vus import usual_window, vus_pr

# The published table's columns before and after the detectors'.
_BEFORE, _AFTER = "reconstruction_diff_SubPCA", "ts_len"


@dataclass(frozen=True)
class Ranked:
    """A labelled series, how the batch detector scored it and how well that is, and the best of the published ones.

    The first `train` points are known to be normal.
    """

    name: str
    dataset: str
    values: npt.NDArray[np.float64]
    labels: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float64]
    train: int
    vus_pr: float
    best: float
    best_name: str


def rank(folder: Path) -> tuple[list[Ranked], dict[str, float]]:
    """Each labelled series of the folder, and the published detectors' means over the same series."""
    table = pl.read_csv(folder / "published_vus_pr.csv")
    detectors = table.columns[table.columns.index(_BEFORE) + 1 : table.columns.index(_AFTER)]
    arrays = np.load(folder / "series.npz")
    found = []
    for row in table.iter_rows(named=True):
        name = row["file"].removesuffix(".csv")
        values, labels = arrays[f"{name}|x"].astype(np.float64), arrays[f"{name}|y"] > 0
        window = usual_window(values)
        best = max(detectors, key=lambda detector: row[detector] or 0.0)
        train = row["train_prefix"]
        scores = score(values, window, train)
        rated = vus_pr(labels, scores, window)
        dataset, source = name.split("_")[1], row["source_name"]
        found.append(Ranked(source, dataset, values, labels, scores, train, rated, row[best], best))
    return found, {name: float(table.get_column(name).mean() or 0.0) for name in detectors}  # type: ignore[arg-type]
