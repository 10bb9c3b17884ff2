"""What runs by the clock."""

import dagster as dg

from orchestration.jobs import full_balance

nightly_balance = dg.ScheduleDefinition(
    name="nightly_balance",
    job=full_balance,
    cron_schedule="17 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The full balance, at a quiet hour.",
)
