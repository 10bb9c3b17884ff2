"""What runs by the clock."""

import dagster as dg

from orchestration.jobs import full_balance, keep_lake_in_order, merge_slices, retire_days

nightly_balance = dg.ScheduleDefinition(
    name="nightly_balance",
    job=full_balance,
    cron_schedule="17 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The full balance, at a quiet hour.",
)
hourly_lake_upkeep = dg.ScheduleDefinition(
    name="hourly_lake_upkeep",
    job=keep_lake_in_order,
    cron_schedule="23 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour; most hours there is little to do.",
)
nightly_retirement = dg.ScheduleDefinition(
    name="nightly_retirement",
    job=retire_days,
    cron_schedule="41 1 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="After midnight another day has left the hot window.",
)
nightly_merge = dg.ScheduleDefinition(
    name="nightly_merge",
    job=merge_slices,
    cron_schedule="11 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Once a day, when another day's slices are old enough.",
)
