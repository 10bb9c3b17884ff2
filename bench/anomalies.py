"""`make bench-anomalies`: how well and how fast both detectors find what is labelled, beside published scores."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt

from assets.detectors.online import step
from assets.detectors.online_state import State
from bench import anomaly_report, anomaly_speed, injected, nab, nab_file, report, series_pictures
from bench.alarms import Alarms, alarms
from bench.days_in_depth import WANTED, Days, days_in_depth
from bench.episodes import tell
from bench.labelled import Ranked, rank
from bench.measure import machine
from bench.nab import PROFILES


@dataclass(frozen=True)
class OnNab:
    """What the detectors do on NAB.

    The online one's scores by profile, `inside` the files that chose the threshold and `outside` of them; what it tells
    at its own. The batch one's `days`.
    """

    inside: Mapping[str, float]
    outside: Mapping[str, float]
    alarms: Sequence[Alarms]
    places: Sequence[injected.Place]
    outcomes: Sequence[injected.Outcome]
    days: Sequence[Days]


def main() -> int:
    """Measure, print, and write the tables and pictures where the options say."""
    options = _arguments(sys.argv[1:])
    ranked, published = rank(options.tsb) if options.tsb else ([], {})
    known = nab_file.read(options.nab)
    found = on_nab(nab.corpus(known.recordings))
    batch, online = anomaly_speed.batch_points_per_s(), anomaly_speed.online_readings_per_s()
    tables = (
        f"Machine: {machine()}.",
        anomaly_report.ranks(ranked, published),
        anomaly_report.nab_scores(found.inside, found.outside, known.published),
        anomaly_report.alarms(found.alarms),
        anomaly_report.days(found.days),
        anomaly_report.recalls(found.outcomes, len({place.name for place in found.places})),
        anomaly_report.confusion(found.outcomes),
        anomaly_report.speeds(batch, online, anomaly_speed.SENSORS, anomaly_speed.peers()),
    )
    document = "\n\n".join(tables)
    print(document)
    if options.pictures:
        series_pictures.draw(ranked, options.pictures)
    if options.write:
        report.write(options.write, document)
    print(f"\nRESULT {json.dumps(_numbers(ranked, batch, online, found))}")
    return 0


def on_nab(corpus: Sequence[nab.Series]) -> OnNab:
    """Both detectors on the whole corpus."""
    scores = [_online_scores(series) for series in corpus]
    told = tell([series.times for series in corpus], [series.values for series in corpus])
    places = injected.places(corpus, told)
    return OnNab(
        inside={profile: found for profile, (found, _) in nab.scores(corpus, scores).items()},
        outside={profile: nab.held_out(corpus, scores, profile) for profile in PROFILES},
        alarms=[alarms(series, of_one) for series, of_one in zip(corpus, told, strict=True)],
        places=places,
        outcomes=injected.outcomes(places),
        days=[days_in_depth(corpus, wanted) for wanted in WANTED],
    )


def _numbers(ranked: Sequence[Ranked], batch: float, online: float, found: OnNab) -> dict[str, object]:
    """The last line's, for programs."""
    days, false = sum(one.days for one in found.alarms), sum(one.false for one in found.alarms)
    return {
        "vus_pr_dev": round(mean(one.vus_pr for one in ranked), 4) if ranked else None,
        "batch_points_per_s": round(batch),
        "online_readings_per_s": round(online),
        "nab_heldout_standard": round(found.outside["standard"], 2),
        "nab_insample_standard": round(found.inside["standard"], 2),
        "false_alarms_per_sensor_day": round(false / days, 3),
        "nab_windows_told": round(mean(delay is not None for one in found.alarms for delay in one.delays), 3),
        "injected_told": {
            kind: round(mean(one.told is not None for one in found.outcomes if one.kind == kind), 3)
            for kind in injected.SIZES
        },
    }


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
