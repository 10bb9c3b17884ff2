"""How many orders and episodes there are, from sums that the database keeps in step with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.pool import Connection

_ORDERS = "orders "


@dataclass(frozen=True)
class Counts:
    """Lately means by the sums' own steps: up to 5 s more than a minute or an hour, up to 5 minutes more than a day."""

    orders_by_status: dict[str, int]
    orders_last_minute: int
    orders_last_hour: int
    anomalies: int
    anomalies_last_day: int


async def counts(connection: Connection) -> Counts:
    """The counts; costs the same however much was counted."""
    rows = await connection.fetch("select name, sum(count)::bigint as count from counts group by name")
    totals = {row["name"]: row["count"] for row in rows if row["count"]}
    recent = await connection.fetchrow(_RECENT)
    assert recent, "an aggregate has one row"
    return Counts(
        **recent,
        orders_by_status={
            name.removeprefix(_ORDERS): count for name, count in totals.items() if name.startswith(_ORDERS)
        },
        anomalies=totals.get("episodes", 0),
    )


async def forget(connection: Connection) -> None:
    """Drop what nobody adds to any more: those who count leave out what is older than two days."""
    await connection.execute(
        "delete from recent_counts where name = any($1) and at < now() - interval '3 days'",
        ["orders placed", "episodes begun"],
    )


_RECENT = """
select
    coalesce(sum(count) filter (
        where name = 'orders placed'
            and at > now() - interval '1 minute 5 seconds'
    ), 0)::bigint as orders_last_minute,
    coalesce(sum(count) filter (where name = 'orders placed'), 0)::bigint as orders_last_hour,
    coalesce(sum(count) filter (where name = 'episodes begun'), 0)::bigint as anomalies_last_day
from recent_counts
where (name = 'orders placed' and at > now() - interval '1 hour 5 seconds')
    or (name = 'episodes begun' and at > now() - interval '1 day 5 minutes')
"""
