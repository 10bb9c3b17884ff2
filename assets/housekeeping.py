"""Housekeeping as assets: few and large files, old days dropped, old slices merged; all of it beside running drains."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from assets.raw import raw_orders, raw_readings
from assets.readings import anomalies, readings
from assets.resources import House
from sensors_io import upkeep
from sensors_io.feeds import DEAD_LETTERS
from sensors_io.reading_decoder import reading_checksums
from sensors_io.upkeep import Files
from warehouse import locks, merging, retirement, staged
from warehouse.database import connect
from warehouse.hot import first_hot_day
from warehouse.locks import Lock

# Their rows are only ever appended.
_DRAINED = ("raw_orders", "raw_readings", DEAD_LETTERS)
# Their rows are replaced, by whoever holds the sensor type's staging lock.
_STAGED = ("readings", "episodes")
# A day that still goes on is compacted only when it has very many small files.
OPEN_FROM = 200


@dg.asset(
    deps=[raw_orders, raw_readings, readings, anomalies],
    group_name="housekeeping",
    kinds={"deltalake"},
    description=(
        "The files that the lake's tables consist of. Drains and refreshes write small ones; those of days that are "
        "over are put together here, and today's when they are very many. What was replaced is deleted after "
        "`lake_vacuum_hours`. Nothing that can be read changes. Many small files make every query slower: if their "
        "number grows from run to run, look whether this asset's runs fail."
    ),
)
def lake_files(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> dg.MaterializeResult[None]:
    """Compact, vacuum and checkpoint every table."""

    def work() -> dict[str, Any]:
        metadata: dict[str, Any] = {}
        for name in filter(house.lake.has, (*_DRAINED, *_STAGED)):
            before = upkeep.files(house.lake, name)
            _compact(house, name, datetime.now(UTC).date())
            deleted = upkeep.vacuum(house.lake, name, keep=timedelta(hours=house.settings.lake_vacuum_hours))
            upkeep.checkpoint(house.lake, name)
            metadata |= _of_table(name, before, upkeep.files(house.lake, name), deleted)
        return metadata

    return _alone(context, house, work)


@dg.asset(
    deps=[raw_readings, readings],
    group_name="housekeeping",
    kinds={"postgres", "deltalake"},
    description=(
        "The event days that Postgres keeps, the last `hot_days`. Older days are dropped there, once they are staged "
        "in the lake, and counted in the table `retired`; the API goes on answering for them out of the lake. With "
        "`lake_keep_days` the lake drops the staged readings and anomalies of still older days; raw readings stay."
    ),
)
def hot_window(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> dg.MaterializeResult[None]:
    """Drop what left the window."""

    def work() -> dict[str, Any]:
        today = datetime.now(UTC)
        first_day = first_hot_day(house.settings.hot_days, today)
        retired = _retire(context, house, first_day)
        return {
            "first_day": first_day.isoformat(),
            "days_retired": len(retired),
            "rows_retired": sum(retired.values()),
            **_drop_from_lake(house, today.date()),
        }

    return _alone(context, house, work)


@dg.asset(
    deps=[raw_orders, raw_readings],
    group_name="housekeeping",
    kinds={"postgres"},
    description=(
        "What drains write down of each slice and each commit to the lake. After `merge_slices_hours` those of one "
        "hour are put together: the balance still holds, to the hour instead of the second."
    ),
)
def drain_books(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> dg.MaterializeResult[None]:
    """Merge what is old."""

    def work() -> dict[str, Any]:
        with connect(house.settings.database_url) as connection:
            before = merging.books(connection)
            keep = timedelta(hours=house.settings.merge_slices_hours)
            merging.merge(connection, before=datetime.now(UTC) - keep)
            after = merging.books(connection)
        return {
            "slices": after.slices,
            "slices merged": before.slices - after.slices,
            "lake commits": after.lake_commits,
            "lake commits merged": before.lake_commits - after.lake_commits,
        }

    return _alone(context, house, work)


def _compact(house: House, name: str, today: date) -> None:
    if name in _DRAINED:
        for partition in upkeep.scattered(house.lake, name, day_column="ingest_day", today=today, open_from=OPEN_FROM):
            upkeep.compact(house.lake, name, partition)
        return
    for partition in upkeep.scattered(house.lake, name, day_column="day", today=today, open_from=OPEN_FROM):
        # One at a time, so that a refresh waits for one of them and no longer.
        with connect(house.settings.database_url) as connection:
            locks.wait_for(connection, Lock.STAGING, partition.values["sensor_type"])
            upkeep.compact(house.lake, name, partition)


def _retire(context: dg.AssetExecutionContext, house: House, first_day: date) -> dict[date, int]:
    url = house.settings.database_url
    with connect(url) as connection:
        days = retirement.days_before(connection, first_day)
    retired: dict[date, int] = {}
    for day in days:
        if rows := retirement.retire(url, day, reading_checksums):
            retired[day] = rows
        else:
            context.log.info("%s stays: it waits for a refresh", day)
    return retired


def _drop_from_lake(house: House, today: date) -> dict[str, int]:
    settings = house.settings
    if settings.lake_keep_days is None:
        return {}
    # Never what Postgres still has: staged readings and their counts belong together.
    before = today - timedelta(days=max(settings.lake_keep_days, settings.hot_days))
    dropped = {
        f"{name}: rows dropped": upkeep.drop_days(house.lake, name, day_column="day", before=before)
        for name in filter(house.lake.has, _STAGED)
    }
    with connect(settings.database_url) as connection:
        staged.forget_days(connection, before)
    return dropped


def _of_table(name: str, before: Files, after: Files, deleted: int) -> dict[str, Any]:
    header = "| size of a file | before | after |\n| --- | --- | --- |\n"
    rows = "\n".join(f"| {size} | {before.sizes[size]} | {count} |" for size, count in after.sizes.items())
    return {
        f"{name}: files before": before.count,
        f"{name}: files after": after.count,
        f"{name}: MiB": round(after.size_bytes / (1 << 20), 1),
        f"{name}: files deleted": deleted,
        f"{name}: files by size": dg.MetadataValue.md(header + rows),
    }


def _alone(
    context: dg.AssetExecutionContext, house: House, work: Callable[[], Mapping[str, Any]]
) -> dg.MaterializeResult[None]:
    """What the work tells as metadata; nothing is done while other housekeeping is at work."""
    with connect(house.settings.database_url, autocommit=True) as connection:
        if not locks.take(connection, Lock.UPKEEP):
            context.log.info("nothing done: other housekeeping is at work")
            return dg.MaterializeResult()
        return dg.MaterializeResult(metadata=work())
