"""What the benchmark of the detectors prints: tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from bench.anomaly_speed import Peer
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
