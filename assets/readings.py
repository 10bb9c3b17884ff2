"""The staged readings and their anomalies as assets, one partition key at a time or all that were touched."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from assets.judging import Judged, followers, judge_keys
from assets.partition_keys import Key, day_by_type, define_sensor_types, key_of
from assets.raw import raw_readings
from assets.resources import House
from assets.staged_keys import Staged, stage_keys
from warehouse import locks, staged
from warehouse.database import connect
from warehouse.locks import Lock

_LOOKS_EVERY_S = 0.5


@dg.asset(
    partitions_def=day_by_type,
    deps=[raw_readings],
    group_name="readings",
    kinds={"deltalake", "polars"},
    description=(
        "One row per sensor, metric and event time. A repeat is counted as a duplicate; a different value replaces "
        "the older one, which is counted as a revision and stays in the raw readings."
    ),
)
def readings(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> dg.MaterializeResult[None]:
    """Stage one day's readings of one sensor type."""
    (made,) = stage_keys(house.settings, house.lake, [key_of(context)], rebuild=True)
    return dg.MaterializeResult(metadata=_metadata(made))


@dg.asset(
    partitions_def=day_by_type,
    deps=[readings],
    group_name="readings",
    kinds={"deltalake", "postgres", "polars"},
    description=(
        "Readings that stand out by six robust sigmas or more from their own sensor's last 14 days. "
        "A sensor with fewer than 30 readings in that time, or whose values don't vary, is not judged."
    ),
)
def anomalies(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> dg.MaterializeResult[None]:
    """Hold one day's readings of one sensor type against their sensors' past."""
    (found,) = judge_keys(house.settings, house.lake, [key_of(context)])
    return dg.MaterializeResult(metadata=_metadata(found))


@dg.op(description="Stage and judge every partition key that drains have touched, and report each as materialized.")
def refresh_touched(context: dg.OpExecutionContext, house: dg.ResourceParam[House]) -> int:
    """One refresh run; ends when no touched key has become ready for a while. Returns the number of refreshes."""
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
            for event in refresh(house, keys):
                context.log_event(event)
            staged.clear(connection, due)
            refreshed += len(keys)
            if touches:
                busy = time.monotonic()
            elif time.monotonic() - busy >= settings.refresh_linger_s:
                break
            if not due:
                time.sleep(_LOOKS_EVERY_S)
    context.add_output_metadata({"refreshes": refreshed})
    return refreshed


def refresh(house: House, keys: Sequence[Key]) -> Iterator[dg.AssetMaterialization]:
    """Stage these keys, judge them and the days whose past they are; yields a materialization of each."""
    made = list(stage_keys(house.settings, house.lake, keys))
    found = list(judge_keys(house.settings, house.lake, followers(house.settings, keys)))
    for asset, results in (("readings", made), ("anomalies", found)):
        for result in results:
            yield dg.AssetMaterialization(asset, partition=result.key.partition_key, metadata=_metadata(result))


@dg.job(executor_def=dg.in_process_executor, description="Refresh every partition key that drains have touched.")
def refresh_touched_keys() -> None:
    """One op: all touched keys in one run, because starting a run costs more than a key does."""
    refresh_touched()


def _metadata(result: Staged | Judged) -> dict[str, Any]:
    numbers = {name: value for name, value in asdict(result).items() if name != "key" and value is not None}
    return {"dagster/partition_row_count": numbers.get("staged", numbers.get("anomalies", 0)), **numbers}
