"""Whether a run of a job is on its way."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

WAITING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
]
# From its start, a run's process needs some seconds until it holds its lock.
_LOCKS_WITHIN = timedelta(seconds=30)


def is_coming(instance: dg.DagsterInstance, job: str, tags: Mapping[str, str] | None = None) -> bool:
    """Whether a run of `job` with these tags waits, or started so lately that it need not hold its lock yet.

    What Dagster says of older runs is not asked: after a crash a dead run can be called started for ever.
    """
    if instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=WAITING, tags=tags)):
        return True
    since = datetime.now(UTC) - _LOCKS_WITHIN
    started = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.STARTED], created_after=since, tags=tags)
    return instance.get_runs_count(started) > 0


def is_unfinished(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether Dagster knows of a run of `job` that has not ended."""
    unfinished = [*WAITING, dg.DagsterRunStatus.STARTED]
    return instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=unfinished)) > 0
