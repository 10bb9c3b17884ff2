"""What runs by the clock."""

from typing import Any

import dagster as dg

from orchestration.jobs import full_balance, keep_lake_in_order, merge_slices, retire_days


def _running(name: str, job: Any, cron: str, description: str) -> dg.ScheduleDefinition:
    """A schedule by UTC that runs from the first day on."""
    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )


nightly_balance = _running("nightly_balance", full_balance, "17 3 * * *", "The full balance, at a quiet hour.")
hourly_lake_upkeep = _running(
    "hourly_lake_upkeep", keep_lake_in_order, "23 * * * *", "Every hour; most hours there is little to do."
)
nightly_retirement = _running(
    "nightly_retirement", retire_days, "41 1 * * *", "After midnight another day has left the hot window."
)
nightly_merge = _running(
    "nightly_merge", merge_slices, "11 2 * * *", "Once a day, when another day's slices are old enough."
)
