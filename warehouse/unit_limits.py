"""Readings of built units are held against their product's limits as they are stored."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from warehouse.load import Cursor, ingest

SAME_WITHIN = timedelta(hours=4)

# Only series in the product's own unit of measurement have its limits.
_LIMITS = """
select s.series_id, s.sensor_id, s.metric, u.built_at, p.spec_min, p.spec_max
from units as u
join products as p using (sku)
join series as s on s.sensor_id = u.sensor_id and s.sensor_type = p.sensor_type and s.unit = p.unit
where s.series_id = any($1::text::integer[])
"""


def hold_against_limits(cursor: Cursor, readings: pl.DataFrame) -> None:
    """Count the readings (WATCHED, in log order) that belong to a unit's test, and keep those outside of the limits.

    These are also an episode, which goes on while they follow each other within `SAME_WITHIN`.
    """
    series = readings.get_column("series_id").unique().to_list()
    if not series:
        return
    cursor.execute(_LIMITS, ("{" + ",".join(map(str, series)) + "}",))
    limits = pl.DataFrame(cursor.fetch_arrow_table())
    if not limits.height:
        return
    limits = limits.with_columns(pl.col("series_id").cast(pl.Int64), pl.col("built_at").cast(pl.Datetime("us", "UTC")))
    tested = (
        readings.join(limits, on="series_id", maintain_order="left")
        .filter(pl.col("event_time") >= pl.col("built_at"))
        # The newest position of an event time wins, as when it is staged.
        .group_by("sensor_id", "metric", "event_time", maintain_order=True)
        .agg(pl.last("value", "spec_min", "spec_max"), count=pl.len().cast(pl.Int64))
    )
    ingest(cursor, "incoming_tests", tested, temp=True)
    cursor.execute(_COUNT)
    cursor.execute(_FAIL)
    cursor.execute(_REVISE)
    cursor.execute(_TELL)


_COUNT = """
update units as u set readings = u.readings + i.count
from (
    select sensor_id, sum(count)::bigint as count
    from incoming_tests
    group by sensor_id
) as i
where u.sensor_id = i.sensor_id
"""
_FAIL = """
insert into unit_failures (sensor_id, metric, event_time, value, spec_min, spec_max)
select sensor_id, metric, event_time, value, spec_min, spec_max
from incoming_tests
where value not between spec_min and spec_max
order by sensor_id, metric, event_time
on conflict (sensor_id, metric, event_time) do update set
    value = excluded.value,
    spec_min = excluded.spec_min,
    spec_max = excluded.spec_max
"""
_REVISE = """
delete from unit_failures as f
using incoming_tests as i
where (f.sensor_id, f.metric, f.event_time) = (i.sensor_id, i.metric, i.event_time)
    and i.value between i.spec_min and i.spec_max
"""
# How far outside they are, in widths of the specification, is their score.
_TELL = f"""
with outside as (
    select
        i.sensor_id,
        i.metric,
        p.sensor_type,
        p.unit,
        i.event_time,
        i.value,
        greatest(i.spec_min - i.value, i.value - i.spec_max) / nullif(i.spec_max - i.spec_min, 0) as score
    from incoming_tests as i
    join units as u using (sensor_id)
    join products as p using (sku)
    where i.value not between i.spec_min and i.spec_max
),

found as (
    select
        sensor_id,
        metric,
        sensor_type,
        unit,
        min(event_time) as started_at,
        max(event_time) as ended_at,
        count(*)::integer as readings,
        coalesce(max(score), 0) as peak_score,
        (array_agg(event_time order by score desc))[1] as peak_at,
        (array_agg(value order by score desc))[1] as peak_value
    from outside
    group by sensor_id, metric, sensor_type, unit
),

went_on as (
    update episodes as e set
        started_at = least(e.started_at, f.started_at),
        ended_at = greatest(e.ended_at, f.ended_at),
        readings = e.readings + f.readings,
        peak_at = case when f.peak_score > e.peak_score then f.peak_at else e.peak_at end,
        peak_value = case when f.peak_score > e.peak_score then f.peak_value else e.peak_value end,
        peak_score = greatest(e.peak_score, f.peak_score)
    from found as f
    where e.episode_id = (
        select near.episode_id
        from episodes as near
        where near.sensor_id = f.sensor_id
            and near.metric = f.metric
            and near.kind = 'out_of_spec'
            and near.tier = 'online'
            and near.started_at <= f.ended_at + interval '{SAME_WITHIN.total_seconds()} seconds'
            and near.ended_at >= f.started_at - interval '{SAME_WITHIN.total_seconds()} seconds'
        order by near.started_at desc
        limit 1
    )
    returning f.sensor_id, f.metric
)

insert into episodes (
    sensor_id, sensor_type, metric, unit, day, kind, started_at, peak_at, ended_at, readings, peak_score, peak_value,
    tier
)
select
    sensor_id, sensor_type, metric, unit, (started_at at time zone 'UTC')::date, 'out_of_spec', started_at, peak_at,
    ended_at, readings, peak_score, peak_value, 'online'
from found
where (sensor_id, metric) not in (select sensor_id, metric from went_on)
"""
