"""Whether Superset's dashboards show what the demo sent."""

from __future__ import annotations

import time
from dataclasses import dataclass

from assets import applied_dashboards, dashboard_files
from assets.superset import sign_in
from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings

LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Shown:
    """How many charts have rows, and what is wrong with the others."""

    charts: int
    wrong: list[str]


def wait_for_dashboards(settings: Settings, *, within_s: float) -> Shown:
    """Wait until Superset has every dashboard as its files are; then ask each chart for its data."""
    objects, deadline = dashboard_files.read(), time.monotonic() + within_s
    while True:
        try:
            with sign_in(settings) as superset:
                late = [one for one in applied_dashboards.plan(superset, settings, objects) if one.path in objects]
                if not late:
                    slugs = dashboard_files.slugs(objects)
                    answers = [one for slug in slugs for one in applied_dashboards.answers(superset, slug)]
                    wrong = [
                        f"{one.chart.name}: {one.error or 'no rows'}" for one in answers if one.error or not one.rows
                    ]
                    return Shown(len(answers) - len(wrong), wrong)
                why = f"{len(late)} files of dashboards are not applied"
        except DependencyDown as error:
            why = str(error)
        if time.monotonic() > deadline:
            return Shown(0, [why])
        time.sleep(LOOK_EVERY_S)
