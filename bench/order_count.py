"""Counting acknowledged orders in every place where they have to be: is any lost, is any there twice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from agent.order_states import PLACED
from sensorhouse.settings import Settings
from sensors_io.lag import look
from sensors_io.lake import open_lake
from tests import topics
from tests.waiting import wait_until
from warehouse import changes
from warehouse.database import connect

# Seldom enough that asking costs those little who publish and drain.
LOOK_EVERY_S = 0.25
_EVENT = pl.Schema({"order_id": pl.String(), "event_id": pl.String(), "type": pl.String()})


@dataclass(frozen=True)
class Place:
    """What one place holds, how many acknowledged orders it has not got, and of how many it has two."""

    name: str
    rows: int
    orders: int
    missing: int
    doubled: int


@dataclass(frozen=True)
class Counted:
    """All places. `lost` is missing from any of them, or shares its id with another; `doubled` is twice in any."""

    acknowledged: int
    places: tuple[Place, ...]
    lost: int
    doubled: int


def wait_settled(settings: Settings, *, within_s: float) -> None:
    """Wait until every event is published, and drained into warehouse and lake."""

    def is_settled() -> bool:
        return _is_published(settings) and look(settings, settings.orders_topic).messages == 0

    wait_until(is_settled, "published and drained", within_s)


def wait_published(settings: Settings, *, within_s: float) -> None:
    """Wait until Kafka has every event."""
    wait_until(lambda: _is_published(settings), "published", within_s)


def count(settings: Settings, acknowledged: pl.DataFrame) -> Counted:
    """Read every place and compare; `acknowledged` has order_id and key."""
    orders = _query(settings, "select order_id::text, notes as key from orders")
    events = {
        "Postgres, order_events": _query(
            settings, f"select order_id::text, event_id::text from order_events where type = '{PLACED}'"
        ),
        "Kafka, the orders topic": _in_kafka(settings),
        "warehouse, raw_orders": _query(
            settings, f"select order_id::text, event_id::text from raw_orders where type = '{PLACED}'"
        ),
        "lake, raw_orders": _in_lake(settings),
    }
    return compared(acknowledged, orders, events)


def compared(acknowledged: pl.DataFrame, orders: pl.DataFrame, events: Mapping[str, pl.DataFrame]) -> Counted:
    """Hold what was acknowledged against `orders` (order_id, key) and the `events` of each place (order_id, event_id).

    Two orders of one key are one too many, and so are two events that say an order was placed. One event that came
    twice is not: readers know it by its id.
    """
    places, missing, doubled = [], [], []
    for name, rows, of, one in (
        ("Postgres, orders", orders, "key", "order_id"),
        *((name, rows, "order_id", "event_id") for name, rows in events.items()),
    ):
        gone = acknowledged.join(rows, on="order_id", how="anti")["order_id"]
        twice = _with_several(rows, of, one)
        # By the order's id in every place, so that one order that is wrong in five of them counts once.
        twice_ids = rows.filter(pl.col(of).is_in(twice.implode()))["order_id"] if of == "key" else twice
        places.append(Place(name, rows.height, rows["order_id"].n_unique(), gone.len(), twice.len()))
        missing.append(gone)
        doubled.append(twice_ids)
    repeated = acknowledged.height - acknowledged["order_id"].n_unique()
    lost = pl.concat(missing).n_unique() + repeated
    return Counted(acknowledged.height, tuple(places), lost, _number_doubled(orders, doubled))


def _is_published(settings: Settings) -> bool:
    time.sleep(LOOK_EVERY_S)
    with connect(settings.database_url) as connection:
        unpublished = changes.unpublished(connection)
    return unpublished == 0


def _with_several(rows: pl.DataFrame, of: str, one: str) -> pl.Series:
    """The values of column `of` that stand beside more than one value of column `one`."""
    return rows.group_by(of).agg(pl.col(one).n_unique().alias("several")).filter(pl.col("several") > 1)[of]


def _number_doubled(orders: pl.DataFrame, doubled: list[pl.Series]) -> int:
    """How many requests became more than they should: by key, where the order has one."""
    ids = pl.DataFrame({"order_id": pl.concat(doubled).unique()})
    keyed = ids.join(orders, on="order_id", how="left")
    return keyed.select(pl.coalesce("key", "order_id").n_unique()).item() if keyed.height else 0


def _query(settings: Settings, statement: str) -> pl.DataFrame:
    with adbc.connect(settings.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return pl.DataFrame(cursor.fetch_arrow_table())


def _in_kafka(settings: Settings) -> pl.DataFrame:
    bodies = (message.value() or b"" for message in topics.messages(settings, settings.orders_topic))
    frame = pl.read_ndjson(b"\n".join(bodies), schema=_EVENT)
    return frame.filter(pl.col("type") == PLACED).select("order_id", "event_id")


def _in_lake(settings: Settings) -> pl.DataFrame:
    rows = open_lake(settings).scan("raw_orders").filter(pl.col("type") == PLACED)
    return rows.select("order_id", "event_id").collect()
