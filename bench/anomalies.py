"""`make bench-anomalies`: how well and how fast both detectors find what is labelled, beside published scores."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.detectors.batch import score
from assets.detectors.online import step
from assets.detectors.online_state import State
from bench import nab, nab_file, report
from bench.measure import machine
from bench.nab import PROFILES
from bench.vus import usual_window, vus_pr

Floats = npt.NDArray[np.float64]

# The published table's columns before and after the detectors'.
_BEFORE, _AFTER = "reconstruction_diff_SubPCA", "ts_len"
_SPEED_LENGTHS = (100_000, 200_000, 500_000)
_SPEED_PERIODS = (12, 60, 200)
_SENSORS, _PER_SENSOR = 10_000, 200
_NO_SERIES = "**No --tsb: how well the batch detector ranks was not measured.**"


@dataclass(frozen=True)
class Ranked:
    """A labelled series: how well the batch detector ranks it, and the best of the published detectors."""

    name: str
    dataset: str
    points: int
    vus_pr: float
    best: float
    best_name: str


def main() -> int:
    """Measure, print, and write the tables where the options say."""
    options = _arguments(sys.argv[1:])
    ranked, published = rank(options.tsb) if options.tsb else ([], {})
    known = nab_file.read(options.nab)
    corpus = nab.corpus(known.recordings)
    told = [_online_scores(series) for series in corpus]
    inside = {profile: found for profile, (found, _) in nab.scores(corpus, told).items()}
    outside = {profile: held_out(corpus, told, profile) for profile in PROFILES}
    speeds = {"batch": batch_points_per_s(), "online": online_readings_per_s()}
    speed = (
        f"Speed, one thread: batch {speeds['batch'] / 1e6:.2f} M points/s (median over lengths and periods), "
        f"online {speeds['online'] / 1e6:.1f} M readings/s over {_SENSORS:,} sensors, state and lookup included."
    )
    batch = (_batch_table(ranked, published), _series_table(ranked)) if ranked else (_NO_SERIES,)
    tables = (*batch, _online_table(inside, outside, known.published))
    document = "\n\n".join((f"Machine: {machine()}.", *tables, speed))
    print(document)
    if options.write:
        report.write(options.write, document)
    numbers = {
        "vus_pr_dev": round(mean(one.vus_pr for one in ranked), 4) if ranked else None,
        "batch_points_per_s": round(speeds["batch"]),
        "online_readings_per_s": round(speeds["online"]),
        "nab_heldout_standard": round(outside["standard"], 2),
        "nab_insample_standard": round(inside["standard"], 2),
    }
    print(f"\nRESULT {json.dumps(numbers)}")
    return 0


def rank(folder: Path) -> tuple[list[Ranked], dict[str, float]]:
    """Each labelled series of the folder, and the published detectors' means over the same series."""
    table = pl.read_csv(folder / "published_vus_pr.csv")
    detectors = table.columns[table.columns.index(_BEFORE) + 1 : table.columns.index(_AFTER)]
    arrays = np.load(folder / "series.npz")
    found = []
    for row in table.iter_rows(named=True):
        name = row["file"].removesuffix(".csv")
        values, labels = arrays[f"{name}|x"].astype(np.float64), arrays[f"{name}|y"]
        window = usual_window(values)
        best = max(detectors, key=lambda detector: row[detector] or 0.0)
        rated = vus_pr(labels, score(values, window, row["train_prefix"]), window)
        found.append(Ranked(row["source_name"], name.split("_")[1], len(values), rated, row[best], best))
    return found, {name: float(table.get_column(name).mean() or 0.0) for name in detectors}  # type: ignore[arg-type]


def held_out(corpus: Sequence[nab.Series], told: Sequence[Floats], profile: str) -> float:
    """The mean of two halves of the files, each scored with the threshold that is best for the other."""
    halves = [(corpus[start::2], told[start::2]) for start in (0, 1)]
    thresholds = [nab.scores(series, scores)[profile][1] for series, scores in halves]
    return mean(
        nab.score_at(series, scores, PROFILES[profile], threshold)
        for (series, scores), threshold in zip(halves, reversed(thresholds), strict=True)
    )


def batch_points_per_s() -> float:
    """The median over made series of several lengths and periods, of the best of three runs each."""
    dice = np.random.default_rng(1)
    rates = []
    for points in _SPEED_LENGTHS:
        for period in _SPEED_PERIODS:
            values = np.sin(2 * np.pi * np.arange(points) / period) + dice.normal(0, 0.2, points)
            rates.append(points / _seconds(partial(score, values, period, 5000)))
    return median(rates)


def online_readings_per_s() -> float:
    """Readings of many sensors in turn, from a state that knows them."""
    series = np.tile(np.arange(_SENSORS), _PER_SENSOR)
    times = np.repeat(np.arange(_PER_SENSOR), _SENSORS) * 60_000_000
    values = np.random.default_rng(1).normal(20, 1, len(series))
    state, _ = step(State.empty(), series, times, values)
    later = times + times[-1] + 60_000_000
    return len(series) / _seconds(lambda: step(state, series, later, values))


def _online_scores(series: nab.Series) -> Floats:
    """What the drain's own detector tells of each reading."""
    _, found = step(State.empty(), np.zeros(len(series.times), np.int64), series.times, series.values)
    return found.score.astype(np.float64)


def _seconds(work: Callable[[], Any]) -> float:
    """The processor's, of the best of three runs after one that compiles."""
    work()
    spent = []
    for _ in range(3):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def _batch_table(ranked: Sequence[Ranked], published: Mapping[str, float]) -> str:
    datasets = sorted({one.dataset for one in ranked})
    means = [mean(one.vus_pr for one in ranked if one.dataset == name) for name in datasets]
    ours = f"{mean(one.vus_pr for one in ranked):.3f}"
    by_dataset = ", ".join(f"{name} {value:.3f}" for name, value in zip(datasets, means, strict=True))
    rows = [["`assets.detectors.batch`", ours]]
    rows += [[name, f"{value:.3f}"] for name, value in sorted(published.items(), key=lambda each: -each[1])]
    return f"{report.table([f'mean VUS-PR of {len(ranked)} series', ''], rows)}\n\nOurs by dataset: {by_dataset}."


def _series_table(ranked: Sequence[Ranked]) -> str:
    rows = [
        [one.name, one.dataset, f"{one.points:,}", f"{one.vus_pr:.3f}", f"{one.best:.3f}", one.best_name]
        for one in sorted(ranked, key=lambda one: -one.vus_pr)
    ]
    return report.table(["series", "dataset", "points", "ours", "best published", "which"], rows)


def _online_table(
    inside: Mapping[str, float], outside: Mapping[str, float], theirs: Mapping[str, Mapping[str, float]]
) -> str:
    rows = [
        ["`assets.detectors.online`, one threshold", *(f"{inside[profile]:.1f}" for profile in PROFILES)],
        ["the same, held out", *(f"{outside[profile]:.1f}" for profile in PROFILES)],
    ]
    ordered = sorted(theirs.items(), key=lambda each: -each[1]["standard"])
    rows += [[name, *(f"{found[profile]:.1f}" for profile in PROFILES)] for name, found in ordered]
    return report.table(["NAB", *PROFILES], rows)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-anomalies", description=__doc__)
    parser.add_argument(
        "--tsb",
        type=Path,
        metavar="DIR",
        help="labelled series: series.npz (`<file>|x`, `<file>|y`) and published_vus_pr.csv, one row a series",
    )
    parser.add_argument(
        "--nab",
        type=Path,
        default=nab_file.PACKED,
        metavar="PATH",
        help="a checkout of numenta/NAB, or a file made of one; the one here if left out",
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between this document's marks")
    options = parser.parse_args(words)
    if options.write and not options.tsb:
        parser.error("--write needs --tsb: else the batch detector's tables would be lost")
    return options


if __name__ == "__main__":
    sys.exit(main())
