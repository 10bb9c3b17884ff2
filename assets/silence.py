"""Drop-outs: series that used to talk and are silent, found in what the online detector remembers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import structlog

from assets.detectors.online import silent
from assets.detectors.online_state import State, StateUnreadable
from sensorhouse.settings import Settings
from sensors_io.lag import TopicLag, look
from warehouse import locks, silences
from warehouse.database import connect
from warehouse.locks import Lock
from warehouse.silences import SILENCES, Remembered

# Of a whole fleet that is silent, the ends of so many episodes move at a look, in turn, so that it stays a matter of a
# second.
MOST_MOVED = 10_000

log = structlog.get_logger()


@dataclass(frozen=True)
class Told:
    """What a look found: how many series fell silent, are silent still, and talk again."""

    begun: int = 0
    going_on: int = 0
    ended: int = 0


def tell_silent(settings: Settings) -> Told | None:
    """Look at every partition once, and bring the episodes up to date; None when another look is at work.

    Done twice, or killed anywhere, it leaves one episode a silence. Raises `DependencyDown` when Kafka or Postgres does
    not answer: then nobody knows who is silent.
    """
    now = datetime.now(UTC)
    # Before the states are read: what they have seen of the log by then, they have seen as of now.
    lag = look(settings, settings.readings_topic)
    with connect(settings.database_url) as connection:
        if not locks.take(connection, Lock.SILENCE):
            return None
        seen = _seen(silences.remembered(connection, lag.topic_id), lag, now)
        since = now - timedelta(days=settings.silence_days)
        compared = seen.join(silences.known(connection), on="series_id", how="left")
        ended = compared.filter(pl.col("last_seen") > pl.col("known"))
        told = compared.filter("is_silent", pl.col("last_seen") >= since)
        begun = told.filter(pl.col("known").is_null() | (pl.col("last_seen") > pl.col("known")))
        going_on = told.filter(pl.col("last_seen") == pl.col("known"))
        silences.end(connection, ended.get_column("series_id").to_list())
        silences.begin(connection, begun)
        silences.go_on(connection, going_on.sort("ended_at").head(MOST_MOVED))
    return Told(begun.height, going_on.height, ended.height)


def _seen(states: Sequence[Remembered], lag: TopicLag, now: datetime) -> pl.DataFrame:
    """Each series once, as the partition has it in which it talked last: SILENCES, and whether it `is_silent`."""
    parts = [_NOBODY]
    for remembered in states:
        as_of = _read_as_of(remembered, lag, now)
        if as_of is not None and (state := _readable(remembered)) is not None:
            parts.append(series_as_of(state, as_of))
    # A sensor's partition changes when a topic gets more of them.
    return pl.concat(parts).sort("last_seen").unique("series_id", keep="last")


def _read_as_of(remembered: Remembered, lag: TopicLag, now: datetime) -> datetime | None:
    """Up to when it is known who talked: now, or while messages wait, when the newest that was read reached Kafka.

    So neither a drain that is down nor one that catches up makes sensors silent.
    """
    partition = lag.partitions.get(remembered.partition)
    if partition and not partition.is_truncated and remembered.next_offset >= partition.high_watermark:
        return now
    return remembered.newest_ingested_at


def series_as_of(state: State, as_of: datetime) -> pl.DataFrame:
    """SILENCES of all series of a state, and which of them are silent."""
    at = round(as_of.timestamp() * 1e6)
    records = state.records
    interval = np.maximum(records["interval"].astype(np.float64), 1e-6)
    return pl.DataFrame(
        {
            "series_id": state.series,
            "last_seen": records["last_seen"],
            "as_of": np.full(len(state), at),
            "intervals": (at - records["last_seen"]) / 1e6 / interval,
            "is_silent": np.isin(state.series, silent(state, at), assume_unique=True),
        }
    ).select(pl.col(name).cast(kind) for name, kind in _SERIES.items())


_SERIES = pl.Schema({**SILENCES, "is_silent": pl.Boolean()})
_NOBODY = _SERIES.to_frame()


def _readable(remembered: Remembered) -> State | None:
    try:
        return State.from_bytes(remembered.state)
    except StateUnreadable as error:
        # The next slice begins it anew.
        log.warning("detector_state_unreadable", partition=remembered.partition, why=str(error))
        return None
