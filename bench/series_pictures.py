"""Pictures of labelled series: values, what is labelled, and beneath it how odd the batch detector finds each point."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.labelled import Ranked

GROUP = 10
_COLUMNS = 2
# Of Okabe and Ito's colours, which the colour-blind tell apart.
_VALUES, _SCORES, _LABELLED, _NORMAL = "#0072B2", "#000000", "#E69F00", "#999999"
_INCHES, _DOTS_PER_INCH = (13.0, 15.0), 100
# So few colours make a file of half the size, and nobody sees it.
_COLOURS = 48


def groups(ranked: Sequence[Ranked]) -> dict[str, list[Ranked]]:
    """The best and the worst, by the name of their picture; each from the better to the worse."""
    ordered = sorted(ranked, key=lambda one: -one.vus_pr)
    return {"anomalies-best": ordered[:GROUP], "anomalies-worst": ordered[-GROUP:]}


def draw(ranked: Sequence[Ranked], folder: Path) -> list[Path]:
    """Write a picture of each group."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_picture(of_group, folder / f"{name}.png") for name, of_group in groups(ranked).items()]


def _picture(ranked: Sequence[Ranked], file: Path) -> Path:
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=_INCHES, layout="constrained")
    cells: Any = figure.subfigures(-(-len(ranked) // _COLUMNS), _COLUMNS)
    for cell, one in zip(cells.flat, ranked, strict=False):
        _series(cell, one)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DOTS_PER_INCH)
    Image.open(drawn).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    return file


def _series(cell: Any, one: Ranked) -> None:
    above, beneath = cell.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    above.plot(one.values, color=_VALUES, linewidth=0.7)
    beneath.plot(one.scores, color=_SCORES, linewidth=0.7)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], one.labels.astype(np.int8), [0]))))
    for axes in (above, beneath):
        for start, end in edges.reshape(-1, 2):
            # A point alone must be seen too.
            axes.axvspan(start, max(end, start + len(one.values) / 300), color=_LABELLED, alpha=0.45, linewidth=0)
        axes.axvline(one.train, color=_NORMAL, linestyle=":", linewidth=1)
        axes.tick_params(labelsize=7)
        axes.margins(x=0)
    above.set_title(f"{one.name.removesuffix('.csv')}   {one.vus_pr:.3f}", fontsize=9, loc="left")
    above.set_ylabel("value", fontsize=7)
    beneath.set_ylabel("score", fontsize=7)
    # Only their order counts: a peak of thousands must not hide the next one.
    beneath.set_yscale("log")
    beneath.minorticks_off()
