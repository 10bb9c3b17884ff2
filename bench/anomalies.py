"""`make bench-anomalies`: how well and how fast both detectors find what is labelled, beside published scores."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt

from assets.detectors.online import step
from assets.detectors.online_state import State
from bench import anomaly_report, anomaly_speed, nab, nab_file, report
from bench.labelled import rank
from bench.measure import machine
from bench.nab import PROFILES


def main() -> int:
    """Measure, print, and write the tables where the options say."""
    options = _arguments(sys.argv[1:])
    ranked, published = rank(options.tsb) if options.tsb else ([], {})
    known = nab_file.read(options.nab)
    corpus = nab.corpus(known.recordings)
    told = [_online_scores(series) for series in corpus]
    inside = {profile: found for profile, (found, _) in nab.scores(corpus, told).items()}
    outside = {profile: nab.held_out(corpus, told, profile) for profile in PROFILES}
    batch, online = anomaly_speed.batch_points_per_s(), anomaly_speed.online_readings_per_s()
    document = "\n\n".join(
        (
            f"Machine: {machine()}.",
            anomaly_report.ranks(ranked, published),
            anomaly_report.nab_scores(inside, outside, known.published),
            anomaly_report.speeds(batch, online, anomaly_speed.SENSORS, anomaly_speed.peers()),
        )
    )
    print(document)
    if options.write:
        report.write(options.write, document)
    numbers = {
        "vus_pr_dev": round(mean(one.vus_pr for one in ranked), 4) if ranked else None,
        "batch_points_per_s": round(batch),
        "online_readings_per_s": round(online),
        "nab_heldout_standard": round(outside["standard"], 2),
        "nab_insample_standard": round(inside["standard"], 2),
    }
    print(f"\nRESULT {json.dumps(numbers)}")
    return 0


def _online_scores(series: nab.Series) -> npt.NDArray[np.float64]:
    """What the drain's own detector tells of each reading."""
    _, found = step(State.empty(), np.zeros(len(series.times), np.int64), series.times, series.values)
    return found.score.astype(np.float64)


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
