"""The code location of all but the marts, and the one place that makes what its assets work with."""

import dagster as dg

from assets import catalogue, checks, housekeeping, raw, readings
from assets.resources import House
from orchestration import jobs, schedules, sensors
from orchestration.monitoring import monitored
from sensorhouse.settings import Settings


def build_definitions(settings: Settings) -> dg.Definitions:
    """The code location, working with these settings."""
    return dg.Definitions(
        assets=monitored(
            [
                *catalogue.specs,
                raw.orders_topic,
                raw.readings_topic,
                raw.raw_orders,
                raw.raw_readings,
                raw.dead_letters,
                readings.readings,
                readings.anomalies,
                housekeeping.lake_files,
                housekeeping.hot_window,
                housekeeping.drain_books,
            ],
            settings,
        ),
        asset_checks=[checks.orders_balance, checks.readings_balance, checks.staged_balance, checks.usual_alarm_rate],
        jobs=[
            jobs.drain_orders,
            jobs.drain_readings,
            readings.refresh_touched_keys,
            jobs.full_balance,
            jobs.keep_lake_in_order,
            jobs.retire_days,
            jobs.merge_slices,
        ],
        sensors=[sensors.orders_lag, sensors.readings_lag, sensors.touched_keys, sensors.silent_sensors],
        schedules=[
            schedules.nightly_balance,
            schedules.hourly_lake_upkeep,
            schedules.nightly_retirement,
            schedules.nightly_merge,
        ],
        resources={"house": House(settings)},
    )


defs = build_definitions(Settings.load())
