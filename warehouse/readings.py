"""Staged readings, for those who ask: one row per sensor, metric and event time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from warehouse.pool import Connection

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(2200, 1, 1, tzinfo=UTC)
# The first stretch of time that a page is looked for in; of one sensor it is longer when its day has few readings.
FIRST_WINDOW = timedelta(minutes=1)
DAY = timedelta(days=1)
# How many times as long the next one is where nothing was found, and at most.
WINDOW_GROWTH, MOST_WINDOW_GROWTH = 4, 64

Position = tuple[datetime, str, str]
Row = dict[str, Any]

# A staged reading as a page has it; `score` is the highest of the episodes that it lies in, null when in none.
STAGED = pl.Schema(
    {
        "sensor_id": pl.String(),
        "sensor_type": pl.String(),
        "metric": pl.String(),
        "event_time": pl.Datetime("us", "UTC"),
        "value": pl.Float64(),
        "unit": pl.String(),
        "quality": pl.Int16(),
        "station": pl.String(),
        "attributes": pl.String(),
        "ingested_at": pl.Datetime("us", "UTC"),
        "score": pl.Float64(),
    }
)


@dataclass(frozen=True)
class Selection:
    """Which readings: `None` means any; `start` is included, `end` is not."""

    sensor_id: str | None = None
    sensor_type: str | None = None
    metric: str | None = None
    start: datetime | None = None
    end: datetime | None = None


_PICKED = """
with picked as materialized (
    select series_id, sensor_id, sensor_type, metric, unit
    from series
    where ($1::text is null or sensor_id = $1)
        and ($2::text is null or sensor_type = $2)
        and ($3::text is null or metric = $3)
)
"""

# The first moment that a chunk can begin at and still reach `$4`: it holds readings of one day. So the index on
# (series_id, t_min) is entered where the question begins, however long the history before.
_DAYS_START = "date_trunc('day', $4::timestamptz, 'UTC')"

# A column of the page as one array: it becomes a column again without a step of Python for each reading. Times are
# microseconds since 1970; a column without a value is null.
_AS_ARRAYS = ",\n    ".join(
    f"case when count({name}) > 0 then"
    f" array_agg({f'(extract(epoch from {name}) * 1000000)::bigint' if kind.is_temporal() else name}"
    f" order by event_time, sensor_id, metric) end as {name}"
    for name, kind in STAGED.items()
)

# Those that stand and have readings.
_EPISODES = """
from episodes
where ($1::text is null or sensor_id = $1)
    and ($2::text is null or sensor_type = $2)
    and ($3::text is null or metric = $3)
    and verdict is null
    and readings > 0
"""
_REACHED = "tstzrange(started_at, ended_at, '[]')"

# Chunks are chosen by their outer columns before any array is unpacked; the newest position of an event time wins.
_WINDOW = f"""
{_PICKED},
abnormal as materialized (
    select sensor_id, metric, started_at, ended_at, peak_score
    {_EPISODES} and {_REACHED} && tstzrange($4, $5)
),
page as (
    select distinct on (r.event_time, s.sensor_id, s.metric)
        s.sensor_id,
        s.sensor_type,
        s.metric,
        r.event_time,
        r.value,
        s.unit,
        r.quality,
        r.station,
        r.attributes,
        r.ingested_at
    from picked as s
    join reading_chunks as c using (series_id)
    cross join lateral unnest(
        c.event_times, c.readings, c.qualities, c.stations, c.attributes, c.offsets, c.indexes, c.ingested_ats
    ) as r (event_time, value, quality, station, attributes, "offset", index, ingested_at)
    where c.day between ($4::timestamptz at time zone 'UTC')::date and ($5::timestamptz at time zone 'UTC')::date
        and c.t_min >= {_DAYS_START}
        and c.t_max >= $4
        and c.t_min < $5
        and r.event_time >= $4
        and r.event_time < $5
        and ($6::timestamptz is null or (r.event_time, s.sensor_id, s.metric) > ($6, $7::text, $8::text))
        and (
            not $9
            or exists (
                select
                from abnormal as a
                where a.sensor_id = s.sensor_id
                    and a.metric = s.metric
                    and r.event_time between a.started_at and a.ended_at
            )
        )
    order by r.event_time, s.sensor_id, s.metric, r.ingested_at desc, r."offset" desc, r.index desc
    limit $10
),
scored as (
    select
        page.*,
        (
            select max(a.peak_score)
            from abnormal as a
            where a.sensor_id = page.sensor_id
                and a.metric = page.metric
                and page.event_time between a.started_at and a.ended_at
        ) as score
    from page
)
select
    count(*) as count,
    {_AS_ARRAYS}
from scored
"""

_FROM_HERE_ON = f"""
from reading_chunks as c
join picked using (series_id)
where c.day >= ($4::timestamptz at time zone 'UTC')::date
    and c.t_min >= {_DAYS_START}
    and c.t_max >= $4
    and c.t_min < $5
"""

_NEXT_DAY = f"{_PICKED} select c.day, 0 as count {_FROM_HERE_ON} order by c.day limit 1"

# Counting takes all chunks of the day: those of one sensor are few.
_NEXT_DAY_OF_ONE = f"""
{_PICKED} select c.day, sum(c.count)::bigint as count {_FROM_HERE_ON} group by c.day order by c.day limit 1
"""

_NEXT_ANOMALY = f"""
select case
    when exists (select {_EPISODES} and {_REACHED} @> $4::timestamptz) then $4::timestamptz
    else (select min(started_at) {_EPISODES} and started_at >= $4 and started_at < $5)
end
"""


async def sensor_types(connection: Connection) -> frozenset[str]:
    """The sensor types whose readings are taken."""
    return frozenset(row["sensor_type"] for row in await connection.fetch("select sensor_type from sensor_types"))


async def page(
    connection: Connection, chosen: Selection, *, anomalies_only: bool, after: Position | None, limit: int
) -> pl.DataFrame:
    """The oldest readings first, at most `limit`, as STAGED; `after` is the last of the page before."""
    filters = (chosen.sensor_id, chosen.sensor_type, chosen.metric)
    end = chosen.end or END
    low = max(chosen.start or BEGINNING, after[0] if after else BEGINNING)
    width = FIRST_WINDOW
    parts: list[pl.DataFrame] = []
    missing, found = limit, 0
    while missing and low < end:
        if not found:
            first = await _first_time(connection, filters, low, end, anomalies_only=anomalies_only)
            if first is None:
                break
            low, count = first
            width = max(width, DAY * min(1, missing / count)) if count else width
        high = min(low + width, end)
        row = await connection.fetchrow(
            _WINDOW, *filters, low, high, *(after or (None, None, None)), anomalies_only, missing
        )
        assert row, "an aggregate has one row"
        parts.append(_frame(dict(row)))
        found = parts[-1].height
        missing -= found
        low, width = high, width * growth(found, missing)
    return parts[0] if len(parts) == 1 else pl.concat([STAGED.to_frame(), *parts])


def growth(found: int, missing: int) -> int:
    """How many times as long the next stretch is, when one of so many readings leaves so many missing."""
    return min(-(-missing // found), MOST_WINDOW_GROWTH) if found else WINDOW_GROWTH


def _frame(arrays: dict[str, Any]) -> pl.DataFrame:
    """The arrays of one answer, `count` values each, as columns."""
    height = arrays["count"]
    columns = []
    for name, kind in STAGED.items():
        if (values := arrays[name]) is None:
            columns.append(pl.Series(name, [None], kind).new_from_index(0, height))
        else:
            columns.append(pl.Series(name, values, pl.Int64() if kind.is_temporal() else kind).cast(kind))
    return pl.DataFrame(columns)


async def _first_time(
    connection: Connection, filters: Sequence[str | None], low: datetime, end: datetime, *, anomalies_only: bool
) -> tuple[datetime, int] | None:
    """A time, not before `low`, before which there is nothing to find; null when there is nothing at all.

    With it comes how many readings its day holds, or 0 where counting would cost more than it helps.
    """
    if anomalies_only:
        found: datetime | None = await connection.fetchval(_NEXT_ANOMALY, *filters, low, end)
        return (found, 0) if found else None
    row = await connection.fetchrow(_NEXT_DAY_OF_ONE if filters[0] else _NEXT_DAY, *filters, low, end)
    return (max(low, datetime.combine(row["day"], time(), UTC)), row["count"]) if row else None


async def staged_days(connection: Connection, chosen: Selection) -> list[date]:
    """The event days, in order, of which anything is staged, within the times and the sensor type that are chosen."""
    rows = await connection.fetch(
        """
        select distinct day
        from staged_keys
        where staged > 0
            and day >= ($1::timestamptz at time zone 'UTC')::date
            and day::timestamp < ($2::timestamptz at time zone 'UTC')
            and ($3::text is null or sensor_type = $3)
        order by day
        """,
        chosen.start or BEGINNING,
        chosen.end or END,
        chosen.sensor_type,
    )
    return [row["day"] for row in rows]


async def statistics(
    connection: Connection, chosen: Selection, *, after: tuple[str, str] | None, limit: int
) -> tuple[list[Row], tuple[str, str] | None]:
    """Per sensor, metric and unit: count, mean, min, max, std (of the sample), last and last_at; and where to go on."""
    picked = await connection.fetch(
        """
        select distinct sensor_id, metric
        from series
        where ($1::text is null or sensor_id = $1)
            and ($2::text is null or sensor_type = $2)
            and ($3::text is null or metric = $3)
            and ($4::text is null or (sensor_id, metric) > ($4, $5::text))
        order by sensor_id, metric
        limit $6
        """,
        chosen.sensor_id,
        chosen.sensor_type,
        chosen.metric,
        *(after or (None, None)),
        limit + 1,
    )
    here = [(row["sensor_id"], row["metric"]) for row in picked[:limit]]
    rows = await connection.fetch(
        """
        with staged as (
            select distinct on (s.sensor_id, s.metric, r.event_time)
                s.sensor_id,
                s.sensor_type,
                s.metric,
                s.unit,
                r.event_time,
                r.value
            from unnest($1::text[], $2::text[]) as wanted (sensor_id, metric)
            join series as s using (sensor_id, metric)
            join reading_chunks as c using (series_id)
            cross join lateral unnest(
                c.event_times, c.readings, c.offsets, c.indexes, c.ingested_ats
            ) as r (event_time, value, "offset", index, ingested_at)
            where ($3::text is null or s.sensor_type = $3)
                and c.t_min >= date_trunc('day', $4::timestamptz, 'UTC')
                and c.t_max >= $4
                and c.t_min < $5
                and r.event_time >= $4
                and r.event_time < $5
            order by s.sensor_id, s.metric, r.event_time, r.ingested_at desc, r."offset" desc, r.index desc
        )
        select
            sensor_id,
            sensor_type,
            metric,
            unit,
            count(*) as count,
            avg(value) as mean,
            min(value) as min,
            max(value) as max,
            stddev_samp(value) as std,
            (array_agg(value order by event_time desc))[1] as last,
            max(event_time) as last_at
        from staged
        group by sensor_id, sensor_type, metric, unit
        order by sensor_id, metric, unit, sensor_type
        """,
        [sensor_id for sensor_id, _ in here],
        [metric for _, metric in here],
        chosen.sensor_type,
        chosen.start or BEGINNING,
        chosen.end or END,
    )
    return [dict(row) for row in rows], here[-1] if len(picked) > limit else None


def _filters(chosen: Selection) -> tuple[str | datetime | None, ...]:
    return (chosen.sensor_id, chosen.sensor_type, chosen.metric, chosen.start or BEGINNING, chosen.end or END)
