"""The code location of the marts: importing dbt takes longer than all the rest, and no drain shall wait for it."""

import time

import dagster as dg

from assets import dashboard_files, dashboards
from assets.marts import marts
from assets.resources import House
from orchestration.runs import is_unfinished
from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings
from warehouse import changes
from warehouse.database import connect

# Marts are built at most so often; the live page and the API read the tables themselves.
MARTS_EVERY_S = 60

build_marts = dg.define_asset_job(
    "build_marts",
    dg.AssetSelection.assets(marts) | dg.AssetSelection.groups("dashboards"),
    executor_def=dg.in_process_executor,
    description="Build dbt's staging views and marts, test them, and have the dashboards' charts show them.",
)


@dg.sensor(
    job=build_marts,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for the marts when something they read has changed, once a minute at most.",
)
def marts_inputs(context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]) -> dg.RunRequest | dg.SkipReason:
    """Compare a marker of what marts read with the one they were built at."""
    built_at, _, built_s = (context.cursor or "").partition(" ")
    try:
        with connect(house.settings.database_url) as connection:
            marker = changes.marker(connection)
    except DependencyDown as error:
        return dg.SkipReason(f"can't look: {error}")
    if marker == built_at:
        return dg.SkipReason("nothing has changed")
    if is_unfinished(context.instance, build_marts.name):
        return dg.SkipReason("marts are being built")
    if built_s and time.time() - float(built_s) < MARTS_EVERY_S:
        return dg.SkipReason("marts were built less than a minute ago")
    context.update_cursor(f"{marker} {time.time():.0f}")
    return dg.RunRequest(tags={dashboards.ONLY_CHANGED: "true"})


def build_definitions(settings: Settings) -> dg.Definitions:
    """The code location, working with these settings."""
    shown = dashboard_files.read() if settings.superset else {}
    return dg.Definitions(
        assets=[marts, *dashboards.assets(shown, list(marts.specs))],
        asset_checks=dashboards.checks(shown),
        jobs=[build_marts],
        sensors=[marts_inputs],
        resources={"house": House(settings)},
    )


defs = build_definitions(Settings.load())
