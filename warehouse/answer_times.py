"""How long the API took to answer, counted by the hour, for all of its processes together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.pool import Connection

KEPT_FOR = timedelta(days=90)

# Method, route, and the bound: how many answers took at most so many seconds, and longer than the bound before.
Times = Mapping[tuple[str, str, float], int]


async def add(connection: Connection, times: Times) -> None:
    """Count these answers in the hour that it is."""
    methods, routes, bounds = zip(*times, strict=True)
    await connection.execute(
        """
        insert into answer_times as t (hour, method, route, up_to_s, answers)
        select date_trunc('hour', now(), 'UTC'), method, route, up_to_s, answers
        from unnest($1::text[], $2::text[], $3::float8[], $4::bigint[]) as u (method, route, up_to_s, answers)
        -- In one order, or two processes could lock each other out.
        order by method, route, up_to_s
        on conflict (hour, method, route, up_to_s) do update set answers = t.answers + excluded.answers
        """,
        *(methods, routes, bounds, list(times.values())),
    )


async def forget(connection: Connection) -> None:
    """Drop what is older than KEPT_FOR."""
    await connection.execute("delete from answer_times where hour < now() - $1::interval", KEPT_FOR)
