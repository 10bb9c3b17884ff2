"""The jobs that sensors and schedules ask for."""

import dagster as dg

from assets.housekeeping import drain_books, hot_window, lake_files
from assets.raw import raw_orders, raw_readings

# Each is one step: a process for every step would double the time that a run needs to start.
_ONE_PROCESS = dg.in_process_executor

drain_orders = dg.define_asset_job(
    "drain_orders",
    dg.AssetSelection.assets(raw_orders).without_checks() | dg.AssetSelection.checks(*raw_orders.check_keys),
    executor_def=_ONE_PROCESS,
    description="Drain the topic of orders until it is caught up.",
)
drain_readings = dg.define_asset_job(
    "drain_readings",
    dg.AssetSelection.assets(raw_readings).without_checks() | dg.AssetSelection.checks(*raw_readings.check_keys),
    executor_def=_ONE_PROCESS,
    description="Drain the topic of readings until it is caught up.",
)
full_balance = dg.define_asset_job(
    "full_balance",
    dg.AssetSelection.checks_for_assets(raw_orders, raw_readings)
    - dg.AssetSelection.checks(*raw_orders.check_keys, *raw_readings.check_keys)
    | dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("readings"), "staged_balance")),
    executor_def=_ONE_PROCESS,
    description="Count everything again: Kafka, lake, warehouse and staged readings.",
)
keep_lake_in_order = dg.define_asset_job(
    "keep_lake_in_order",
    dg.AssetSelection.assets(lake_files),
    executor_def=_ONE_PROCESS,
    description="Put the lake's small files together, and delete what nobody reads any more.",
)
retire_days = dg.define_asset_job(
    "retire_days",
    dg.AssetSelection.assets(hot_window),
    executor_def=_ONE_PROCESS,
    description="Drop the event days that left the hot window from Postgres, and those too old for the lake.",
)
merge_slices = dg.define_asset_job(
    "merge_slices",
    dg.AssetSelection.assets(drain_books),
    executor_def=_ONE_PROCESS,
    description="Put together what drains wrote down of slices that are long done.",
)
