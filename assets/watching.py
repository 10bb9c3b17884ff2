"""The online detector as a drain's watcher: bytes in and out, and what it found as incidents."""

import polars as pl
import structlog

from assets.detectors.online import Found, step
from assets.detectors.online_settings import Kind
from assets.detectors.online_state import State, StateUnreadable
from warehouse.watching import INCIDENTS, RENAMED_WITHIN

log = structlog.get_logger()

# As episodes name them. What is usual in itself but not at this hour is a matter of the curve's shape.
_NAMES = {
    Kind.SPIKE: "spike",
    Kind.SHIFT: "shift",
    Kind.DRIFT: "drift",
    Kind.NOISE: "noise",
    Kind.STUCK: "stuck",
    Kind.LIMIT: "out_of_spec",
    Kind.PATTERN: "shape",
}


def watch_readings(state: bytes | None, readings: pl.DataFrame) -> tuple[bytes, pl.DataFrame]:
    """See `warehouse.watching.Watcher`. A state that this version can't read is begun anew."""
    before = _known(state)
    after, found = step(
        before,
        readings.get_column("series_id").to_numpy(),
        readings.get_column("event_time").to_physical().to_numpy(),
        readings.get_column("value").to_numpy(),
    )
    return after.to_bytes(), incidents(readings, found)


def incidents(readings: pl.DataFrame, found: Found) -> pl.DataFrame:
    """INCIDENTS: an anomaly that is news, and the readings of its series that belong to it until the next one."""
    told = readings.with_columns(
        code=pl.Series(found.kind, dtype=pl.Int8), score=pl.Series(found.score, dtype=pl.Float32).cast(pl.Float64)
    ).filter(pl.col("code") > 0)
    news = told.filter(pl.col("code") != Kind.ONGOING).select(
        "series_id", "event_time", begins=~_renames(pl.col("code"), pl.col("event_time"))
    )
    return (
        told.join(news, on=["series_id", "event_time"], how="left", maintain_order="left")
        .with_columns(number=pl.col("begins").fill_null(False).cum_sum().over("series_id"))
        .group_by("series_id", "number", maintain_order=True)
        .agg(
            is_new=pl.col("number").first() > 0,
            # The last name that was given.
            kind=pl.col("code").filter(pl.col("code") != Kind.ONGOING).last(),
            started_at=pl.col("event_time").first(),
            peak_at=pl.col("event_time").get(pl.col("score").arg_max()),
            ended_at=pl.col("event_time").last(),
            readings=pl.len().cast(pl.Int32),
            peak_score=pl.col("score").max(),
            peak_value=pl.col("value").get(pl.col("score").arg_max()),
        )
        .with_columns(pl.col("kind").replace_strict(_NAMES, default=None, return_dtype=pl.String))
        .select(pl.col(name).cast(kind) for name, kind in INCIDENTS.items())
    )


def _renames(code: pl.Expr, event_time: pl.Expr) -> pl.Expr:
    """Whether news of a series is the spike before it, which has turned out to be more than that."""
    before = (code.shift().over("series_id"), event_time.shift().over("series_id"))
    is_more = code.is_in([Kind.SHIFT, Kind.NOISE]) & (before[0] == Kind.SPIKE)
    return (is_more & (event_time - before[1] <= RENAMED_WITHIN)).fill_null(False)


def _known(state: bytes | None) -> State:
    if state is None:
        return State.empty()
    try:
        return State.from_bytes(state)
    except StateUnreadable as error:
        log.warning("detector_begins_anew", why=str(error))
        return State.empty()
