"""The staged readings and their anomalies as assets, one partition key at a time or all that were touched."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from assets import anomaly_report
from assets.judging import judge_keys
from assets.partition_keys import Key, commits, day_by_type, define_sensor_types, keys_of
from assets.raw import raw_readings
from assets.resources import House
from assets.series import PAST
from assets.staged_keys import Staged, stage_keys
from warehouse import judged, locks, staged
from warehouse.database import Connection, connect
from warehouse.locks import Lock

_LOOKS_EVERY_S = 0.5


@dg.asset(
    partitions_def=day_by_type,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[raw_readings],
    group_name="readings",
    kinds={"deltalake", "polars"},
    description=(
        "One row per sensor, metric and event time. A repeat is counted as a duplicate; a different value replaces "
        "the older one, which is counted as a revision and stays in the raw readings."
    ),
)
def readings(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> None:
    """Stage the readings of these days and sensor types."""
    for made in stage_keys(house.settings, house.lake, keys_of(context), rebuild=True):
        context.add_asset_metadata(_metadata(made), partition_key=made.key.partition_key)


@dg.asset(
    partitions_def=day_by_type,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[readings],
    group_name="readings",
    kinds={"deltalake", "postgres", "polars"},
    description=(
        "Where a sensor was abnormal, from start to end: the table `episodes`. Each day is held against the sensor's "
        "own last 14 days, above a threshold that these would have passed `anomaly_alarms_per_day` times a day. What "
        "was noticed while readings flowed is confirmed, corrected or withdrawn. A sensor with too little past is not "
        "judged."
    ),
)
def anomalies(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> None:
    """Judge these days' readings of these sensor types in depth."""
    for found in judge_keys(house.settings, house.lake, keys_of(context), anew=True):
        context.add_asset_metadata(anomaly_report.metadata(found), partition_key=found.key.partition_key)


@dg.op(description="Stage and judge every partition key that drains have touched, and report each as materialized.")
def refresh_touched(context: dg.OpExecutionContext, house: dg.ResourceParam[House]) -> int:
    """One refresh run; ends when nothing has become ready for a while. Returns the number of refreshes."""
    settings = house.settings
    refreshed = 0
    with connect(settings.database_url, autocommit=True) as connection:
        if not locks.take(connection, Lock.REFRESH):
            context.log.info("nothing done: another refresh run is at work")
            return 0
        define_sensor_types(context.instance, staged.sensor_types(connection))
        began = busy = time.monotonic()
        while time.monotonic() - began < settings.max_run_s:
            touches = staged.ready(connection, refresh_s=settings.refresh_s)
            due = [touch for touch in touches if touch.is_due]
            keys = sorted({Key(touch.sensor_type, touch.day) for touch in due})
            for event in stage(house, keys):
                context.log_event(event)
            staged.clear(connection, due)
            refreshed += len(keys)
            # Some at a time: what is touched meanwhile is staged first.
            judging = _first_commit(to_judge(house, connection))
            for event_or_check in judge(house, judging):
                # It takes both; its annotation forgets checks.
                context.log_event(event_or_check)  # type: ignore[arg-type]
            if touches or judging:
                busy = time.monotonic()
            elif time.monotonic() - busy >= settings.refresh_linger_s:
                break
            if not due and not judging:
                time.sleep(_LOOKS_EVERY_S)
    context.add_output_metadata({"refreshes": refreshed})
    return refreshed


def stage(house: House, keys: Sequence[Key]) -> Iterator[dg.AssetMaterialization]:
    """Stage these keys; yields a materialization of each."""
    for made in stage_keys(house.settings, house.lake, keys):
        yield dg.AssetMaterialization("readings", partition=made.key.partition_key, metadata=_metadata(made))


def to_judge(house: House, connection: Connection) -> list[Key]:
    """The keys that wait to be judged: their readings changed, or those of a day in their past."""
    return [Key(*row) for row in judged.due(connection, judge_s=house.settings.judge_s, past_days=PAST.days)]


def judge(house: House, keys: Sequence[Key]) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Judge these keys; yields a materialization of each, and whether alarms have become more frequent."""
    found = list(judge_keys(house.settings, house.lake, keys))
    for one in found:
        metadata = anomaly_report.metadata(one)
        yield dg.AssetMaterialization("anomalies", partition=one.key.partition_key, metadata=metadata)
    if found:
        yield anomaly_report.event(anomaly_report.checked(house.settings.database_url))


@dg.job(executor_def=dg.in_process_executor, description="Refresh every partition key that drains have touched.")
def refresh_touched_keys() -> None:
    """One op: all touched keys in one run, because starting a run costs more than a key does."""
    refresh_touched()


def _first_commit(keys: Sequence[Key]) -> list[Key]:
    """Those that are judged together: of one sensor type, some days."""
    return next(([Key(sensor_type, day) for day in days] for sensor_type, days in commits(keys)), [])


def _metadata(made: Staged) -> dict[str, Any]:
    numbers = {name: value for name, value in asdict(made).items() if name != "key"}
    return {"dagster/partition_row_count": made.staged, **numbers}
