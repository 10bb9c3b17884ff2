"""The code location of the marts: importing dbt takes longer than all the rest, and no drain shall wait for it."""

import time

import dagster as dg

from assets import dashboard_files, dashboards
from assets.marts import marts
from assets.resources import House
from assets.superset import require_well
from orchestration.monitoring import monitored
from orchestration.runs import is_unfinished
from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings
from warehouse import changes
from warehouse.database import connect

# Marts are built at most so often; the live page and the API read the tables themselves.
MARTS_EVERY_S = 60

build_marts = dg.define_asset_job(
    "build_marts",
    dg.AssetSelection.assets(marts),
    executor_def=dg.in_process_executor,
    description="Build dbt's staging views and marts, and test them.",
)
refresh_dashboards = dg.define_asset_job(
    "refresh_dashboards",
    dg.AssetSelection.groups("charts", "dashboards"),
    executor_def=dg.in_process_executor,
    description="Apply the dashboards whose files have changed, and have every chart show the marts as they are.",
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
    return dg.RunRequest()


@dg.sensor(
    job=refresh_dashboards,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for the dashboards when marts have been built, as soon as Superset answers.",
)
def built_marts(context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]) -> dg.RunRequest | dg.SkipReason:
    """Compare the last build of the marts with the one that the dashboards were refreshed after."""
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    builds = context.instance.get_runs(dg.RunsFilter(job_name=build_marts.name, statuses=ended), limit=1)
    if not builds or builds[0].run_id == context.cursor:
        return dg.SkipReason("no marts have been built")
    if is_unfinished(context.instance, refresh_dashboards.name):
        return dg.SkipReason("dashboards are being refreshed")
    try:
        require_well(house.settings)
    except DependencyDown as error:
        return dg.SkipReason(f"dashboards wait: {error}")
    context.update_cursor(builds[0].run_id)
    return dg.RunRequest(tags={dashboards.ONLY_CHANGED: "true"})


def build_definitions(settings: Settings) -> dg.Definitions:
    """The code location, working with these settings."""
    shown = dashboard_files.read() if settings.superset else {}
    return dg.Definitions(
        assets=monitored([marts, *([dashboards.assets(shown, list(marts.specs))] if shown else [])], settings),
        jobs=[build_marts, *([refresh_dashboards] if shown else [])],
        sensors=[marts_inputs, *([built_marts] if shown else [])],
        resources={"house": House(settings)},
    )


defs = build_definitions(Settings.load())
