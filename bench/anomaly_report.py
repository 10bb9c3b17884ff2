"""What the benchmark of the detectors prints: tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

import numpy as np

from bench.alarms import Alarms
from bench.anomaly_speed import Peer
from bench.days_in_depth import Days
from bench.injected import EPISODES, LASTING, SIZES, Outcome
from bench.labelled import Ranked
from bench.nab import PROFILES
from bench.report import table

_NO_SERIES = "**No --tsb: how well the batch detector ranks was not measured.**"


def ranks(ranked: Sequence[Ranked], published: Mapping[str, float]) -> str:
    """The batch detector among the published ones, and series by series."""
    if not ranked:
        return _NO_SERIES
    datasets = sorted({one.dataset for one in ranked})
    means = [mean(one.vus_pr for one in ranked if one.dataset == name) for name in datasets]
    by_dataset = ", ".join(f"{name} {value:.3f}" for name, value in zip(datasets, means, strict=True))
    rows = [["`assets.detectors.batch`", f"{mean(one.vus_pr for one in ranked):.3f}"]]
    rows += [[name, f"{value:.3f}"] for name, value in sorted(published.items(), key=lambda each: -each[1])]
    among = table([f"mean VUS-PR of {len(ranked)} series", ""], rows)
    rows = [
        [one.name, one.dataset, f"{len(one.values):,}", f"{one.vus_pr:.3f}", f"{one.best:.3f}", one.best_name]
        for one in sorted(ranked, key=lambda one: -one.vus_pr)
    ]
    each = table(["series", "dataset", "points", "ours", "best published", "which"], rows)
    return f"{among}\n\nOurs by dataset: {by_dataset}.\n\n{each}"


def nab_scores(
    inside: Mapping[str, float], outside: Mapping[str, float], theirs: Mapping[str, Mapping[str, float]]
) -> str:
    """The online detector's scores on NAB, `inside` the files that chose its threshold and outside, and others'."""
    rows = [
        ["`assets.detectors.online`, one threshold", *(f"{inside[profile]:.1f}" for profile in PROFILES)],
        ["the same, held out", *(f"{outside[profile]:.1f}" for profile in PROFILES)],
    ]
    ordered = sorted(theirs.items(), key=lambda each: -each[1]["standard"])
    rows += [[name, *(f"{found[profile]:.1f}" for profile in PROFILES)] for name, found in ordered]
    return table(["NAB", *PROFILES], rows)


def alarms(found: Sequence[Alarms]) -> str:
    """False alarms and delays by folder of NAB, and over all."""
    folders = [*dict.fromkeys(one.folder for one in found), "all"]
    rows = [_alarm_row(name, [one for one in found if name in (one.folder, "all")]) for name in folders]
    head = ["NAB, as told", "series", "sensor-days", "false alarms", "a sensor-day", "windows", "told"]
    return table([*head, "delay, readings", "p90", "hours", "p90"], rows)


def days(found: Sequence[Days]) -> str:
    """The batch detector day by day, for each rate of alarms that was wanted."""
    rows = [
        [
            *(f"{one.wanted:g}", f"{one.judged:,}", f"{one.not_judged:,}", f"{one.false}"),
            *(f"{one.false / one.judged:.2f}", f"{one.windows}", _percent(one.met / one.windows)),
        ]
        for one in found
    ]
    head = ["NAB, judged in depth: alarms wanted a day", "sensor-days", "not judged", "false alarms", "a sensor-day"]
    return table([*head, "windows", "met"], rows)


def recalls(found: Sequence[Outcome], series: int) -> str:
    """How many injected anomalies are told, by kind and size, and how soon."""
    rows = []
    for kind in SIZES:
        mine = [one for one in found if one.kind == kind]
        rows.append(_recall_row(kind, mine))
        if any(one.is_beyond for one in mine):
            rows.append(_recall_row(f"{kind}, farther than the series ever is", [one for one in mine if one.is_beyond]))
    places = len(found) // sum(len(sizes) for sizes in SIZES.values())
    head = ["injected", "small", "middle", "large", "told without it", "delay, readings", "p90"]
    return f"Injected at {places} places of {series} series:\n\n{table(head, rows)}"


def confusion(found: Sequence[Outcome]) -> str:
    """As what each kind is told, over all its sizes."""
    names = [*EPISODES, None]
    rows = []
    for kind in SIZES:
        told = [one.told for one in found if one.kind == kind]
        rows.append([kind, *(_percent(told.count(name) / len(told)) for name in names)])
    return table(["injected, told as", *(name or "nothing" for name in names)], rows)


def _alarm_row(name: str, mine: Sequence[Alarms]) -> list[str]:
    days, false = sum(one.days for one in mine), sum(one.false for one in mine)
    delays = [delay for one in mine for delay in one.delays]
    told = [delay for delay in delays if delay]
    cells = [f"{len(mine)}", f"{days:,.0f}", f"{false}", f"{false / days:.2f}", f"{len(delays)}"]
    cells.append(_percent(len(told) / len(delays)) if delays else "–")
    return [name, *cells, *_quantiles([by for by, _ in told]), *_quantiles([hours for _, hours in told])]


def _recall_row(name: str, mine: Sequence[Outcome]) -> list[str]:
    recalled = []
    for size in SIZES[mine[0].kind]:
        told = [one.told is not None for one in mine if one.size == size]
        unit = "" if mine[0].kind in LASTING else " σ"
        recalled.append(f"{size:g}{unit}: {_percent(mean(told))} of {len(told)}" if told else "–")
    delays = [one.delay for one in mine if one.delay is not None]
    return [name, *recalled, _percent(mean(one.is_told_without for one in mine)), *_quantiles(delays)]


def _quantiles(values: Sequence[float]) -> list[str]:
    """The median and what nine of ten stay below."""
    return [f"{np.quantile(values, share):.0f}" for share in (0.5, 0.9)] if values else ["–", "–"]


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def speeds(batch_per_s: float, online_per_s: float, sensors: int, peers: Sequence[Peer]) -> str:
    """Ours at its own work, and others on the same values."""
    ours = (
        f"Speed, one thread: batch {batch_per_s / 1e6:.2f} M points/s (median over lengths and periods), "
        f"online {online_per_s / 1e6:.1f} M readings/s over {sensors:,} sensors, state and lookup included."
    )
    rows = [
        [one.name, f"{one.points:,}", f"{one.per_s:,.0f}", one.ours, f"{one.ours_per_s:,.0f}", _times(one)]
        for one in peers
    ]
    head = ["others, on one series", "its values", "values/s", "beside our", "values/s", "ours is × as fast"]
    return f"{ours}\n\n{table(head, rows)}"


def _times(peer: Peer) -> str:
    times = peer.ours_per_s / peer.per_s
    return f"{times:,.0f}" if times >= 10 else f"{times:.1f}"
