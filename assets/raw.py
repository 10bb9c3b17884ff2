"""The raw assets: what a drain run puts, exactly once, into the lake and the warehouse."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt

from assets import dead_letter_report
from assets.resources import House
from assets.watching import watch_readings
from sensorhouse.errors import Fenced, TopicRecreated
from sensors_io.balance import Balance
from sensors_io.drain import Share, drain
from sensors_io.drained import Drained, Work
from sensors_io.feeds import Feed, feeds
from warehouse import staged
from warehouse.database import connect

GROUP = "raw"
CHECKS = {
    "no_gap": "Slices join without a gap, and no partition waits for a person.",
    "lake_complete": "The lake holds as many rows and dead letters as were decoded.",
    "warehouse_complete": "So does the warehouse, but for what is out of its hot window.",
    dead_letter_report.CHECK: "No more dead letters than usual, of what came within the last hour.",
}
_COUNTS = ("rows", "cold", "messages", "bytes", "dead_letters", "slices", "lake_commits")

orders_topic = dg.AssetSpec(
    ["kafka", "orders"],
    description="Kafka topic of order events, one JSON object a message, keyed by order_id.",
    group_name="kafka",
    kinds={"kafka"},
)
readings_topic = dg.AssetSpec(
    ["kafka", "readings"],
    description="Kafka topic of readings in JSON, NDJSON or Arrow, keyed by sensor_id.",
    group_name="kafka",
    kinds={"kafka"},
)
dead_letters = dg.AssetSpec(
    "dead_letters",
    description="Messages and readings that could not be taken, with their bytes, the reason and their position.",
    group_name=GROUP,
    kinds={"deltalake", "postgres"},
    deps=[orders_topic, readings_topic],
)


class DrainConfig(dg.Config):
    """Which of a topic's partitions a run may drain: those that leave `share` when divided by `of`; else all."""

    share: int = 0
    of: int = 1


def feed_named(name: str, house: House) -> Feed:
    """The feed, by its name in Dagster."""
    with connect(house.settings.database_url) as connection:
        return feeds(house.settings, sensor_types=staged.sensor_types(connection), watcher=watch_readings)[name]


def _raw(name: str, topic: dg.AssetSpec, description: str) -> dg.AssetsDefinition:
    """The asset that a drain of the feed `name` writes, with the quick checks that each drain run makes."""
    asset = f"raw_{name}"
    kinds = {"deltalake", "postgres", "polars"}
    # All of it may be left out: a run that finds another drain at work has nothing to report.
    spec = dg.AssetSpec(asset, deps=[topic], group_name=GROUP, kinds=kinds, description=description, skippable=True)
    checks = [dg.AssetCheckSpec(check, asset=asset, description=text) for check, text in CHECKS.items()]

    @dg.multi_asset(specs=[spec], check_specs=checks, name=asset, can_subset=True)
    def drained(
        context: dg.AssetExecutionContext, config: DrainConfig, house: dg.ResourceParam[House]
    ) -> Iterator[Any]:
        yield from _drain(context, house, name, Share(config.share, config.of))

    return drained


raw_orders = _raw("orders", orders_topic, "Order events as drained from Kafka, one row a message.")
raw_readings = _raw(
    "readings",
    readings_topic,
    "Readings as drained from Kafka, one row a reading; in the lake by ingest day, in Postgres as chunks.",
)


def _drain(context: dg.AssetExecutionContext, house: House, name: str, share: Share) -> Iterator[Any]:
    feed, lake, url = feed_named(name, house), house.lake, house.settings.database_url

    def report(work: Work) -> None:
        context.log_event(dg.AssetMaterialization(feed.lake_table, metadata=_metadata(work)))

    try:
        # A request to end comes as a signal; looked at between slices, none is cut in two.
        with capture_interrupts():
            drained = drain(
                house.settings,
                feed,
                lake,
                run_id=context.run.run_id,
                share=share,
                stopped=check_captured_interrupt,
                report=report,
            )
    except (Fenced, TopicRecreated) as error:
        context.log.warning("this drain ends, the next goes on: %s", error)
        drained = Drained(refused=str(error))
    for stopped in drained.truncated:
        context.log.error("stopped until a person accepts the loss: %s", stopped)
    if drained.balance is None:
        context.log.info("nothing done: %s", drained.refused)
        return
    context.log_event(dg.AssetMaterialization("dead_letters", metadata=dead_letter_report.metadata(url, feed.topic)))
    metadata = _metadata(drained.work) | {
        "dagster/row_count": drained.balance.rows,
        "lag": drained.balance.lag,
        "partitions": ", ".join(map(str, drained.partitions)),
        "lake_version": lake.table(feed.lake_table).version(),
        "table": dg.MetadataValue.path(f"{lake.address}/{feed.lake_table}"),
    }
    yield dg.MaterializeResult(asset_key=feed.lake_table, metadata=metadata)
    yield from _results(drained.balance, feed.lake_table, complete=not drained.truncated)
    yield dead_letter_report.checked(url, drained.balance.topic_id, feed.lake_table)


def _metadata(work: Work) -> dict[str, Any]:
    """What was done since the last report, or the start; seconds of steps that run side by side overlap."""
    counts = {name: getattr(work, name) for name in _COUNTS}
    seconds = {name: round(getattr(work, name), 3) for name in ("seconds", "read_s", "decode_s", "load_s", "lake_s")}
    rate = work.rows / work.seconds if work.seconds else 0.0
    late = {f"freshness_p{percent}_s": work.freshness_s(percent / 100) for percent in (50, 99)}
    return {
        **counts,
        **seconds,
        "rows_per_second": round(rate, 1),
        **{name: round(value, 3) for name, value in late.items() if value is not None},
    }


def _results(counted: Balance, asset: str, *, complete: bool) -> Iterator[dg.AssetCheckResult]:
    differences = counted.differences
    # What arrived since the drain ended is not a gap: the next drain takes it.
    passed = {
        "no_gap": complete and not counted.gaps,
        "lake_complete": not any("lake" in name for name in differences),
        "warehouse_complete": not any("warehouse" in name for name in differences),
    }
    for name, good in passed.items():
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=name,
            passed=good,
            description="Agrees." if good else f"{differences}; `sensorhouse balance --full` tells which offsets.",
            metadata={
                "decoded": counted.decoded,
                "rows": counted.rows,
                "dead_letters": counted.dead_letters,
                "cold": counted.cold,
                "gaps": counted.gaps,
                "lag": counted.lag,
            },
        )
