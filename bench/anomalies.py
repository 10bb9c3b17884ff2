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
from bench import anomaly_report, anomaly_speed, injected, nab, nab_file, report, series_pictures
from bench.alarms import alarms
from bench.episodes import tell
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
    told_of = tell([one.times for one in corpus], [one.values for one in corpus])
    alarmed = [alarms(series, of_one) for series, of_one in zip(corpus, told_of, strict=True)]
    places = injected.places(corpus, told_of)
    outcomes = injected.outcomes(places)
    batch, online = anomaly_speed.batch_points_per_s(), anomaly_speed.online_readings_per_s()
    document = "\n\n".join(
        (
            f"Machine: {machine()}.",
            anomaly_report.ranks(ranked, published),
            anomaly_report.nab_scores(inside, outside, known.published),
            anomaly_report.alarms(alarmed),
            anomaly_report.recalls(outcomes, len({place.name for place in places})),
            anomaly_report.confusion(outcomes),
            anomaly_report.speeds(batch, online, anomaly_speed.SENSORS, anomaly_speed.peers()),
        )
    )
    print(document)
    if options.pictures:
        series_pictures.draw(ranked, options.pictures)
    if options.write:
        report.write(options.write, document)
    numbers = {
        "vus_pr_dev": round(mean(one.vus_pr for one in ranked), 4) if ranked else None,
        "batch_points_per_s": round(batch),
        "online_readings_per_s": round(online),
        "nab_heldout_standard": round(outside["standard"], 2),
        "nab_insample_standard": round(inside["standard"], 2),
        "false_alarms_per_sensor_day": round(sum(one.false for one in alarmed) / sum(one.days for one in alarmed), 3),
        "nab_windows_told": round(mean(delay is not None for one in alarmed for delay in one.delays), 3),
        "injected_told": {
            kind: round(mean(one.told is not None for one in outcomes if one.kind == kind), 3)
            for kind in injected.SIZES
        },
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
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="draw the series that the batch detector ranks best and worst into this folder",
    )
    options = parser.parse_args(words)
    if options.pictures and not options.tsb:
        parser.error("--pictures needs --tsb: its series are drawn")
    if options.write and not options.tsb:
        parser.error("--write needs --tsb: else the batch detector's tables would be lost")
    return options


if __name__ == "__main__":
    sys.exit(main())
