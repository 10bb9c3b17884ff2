"""Checks that look at every row: what the drains' own quick checks can't afford."""

from datetime import UTC, datetime

import dagster as dg

from assets import anomaly_report
from assets.raw import feed_named, raw_orders, raw_readings
from assets.readings import anomalies, readings
from assets.resources import House
from sensors_io.balance import balance
from warehouse import balance as counts
from warehouse.database import connect
from warehouse.hot import first_hot_day

_MOST_RANGES = 20


def _balanced(house: House, feed: str) -> dg.AssetCheckResult:
    counted = balance(house.settings, feed_named(feed, house), house.lake, full=True)
    differences = {name: count for name, count in counted.differences.items() if name != "messages not drained"}
    apart = counted.audited.apart if counted.audited else ()
    where = "\n".join(f"- {one}" for one in apart[:_MOST_RANGES])
    return dg.AssetCheckResult(
        passed=not differences,
        description=f"Does not agree: {differences}\n{where}" if differences else "Everything agrees.",
        metadata={"lag": counted.lag, "decoded": counted.decoded, **differences},
    )


@dg.asset_check(asset=raw_orders, description="Every row of Kafka, lake and warehouse against the ledger.")
def orders_balance(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    """The full balance of orders."""
    return _balanced(house, "orders")


@dg.asset_check(asset=raw_readings, description="Every row of Kafka, lake and warehouse against the ledger.")
def readings_balance(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    """The full balance of readings."""
    return _balanced(house, "readings")


@dg.asset_check(asset=readings, description="raw = staged + duplicates + revisions, and lake = warehouse, by key.")
def staged_balance(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    """Staged readings against the warehouse's own, key by key; keys that wait for a refresh are left out."""
    since = first_hot_day(house.settings.hot_days, datetime.now(UTC))
    with connect(house.settings.database_url) as connection:
        apart = counts.staged_apart(connection, since=since)
    return dg.AssetCheckResult(
        passed=not apart,
        description="Every key agrees." if not apart else f"Materialize these keys again: {apart[:10]}",
        metadata={"keys_apart": len(apart)},
    )


@dg.asset_check(
    asset=anomalies,
    name=anomaly_report.CHECK,
    description="Warns when a sensor type's episodes of the last day are three times as many as was usual.",
)
def usual_alarm_rate(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
    """The rate of alarms, as every refresh run looks at it."""
    return anomaly_report.checked(house.settings.database_url)
