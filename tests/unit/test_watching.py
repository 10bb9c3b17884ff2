"""What the online detector finds in a slice, as incidents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from assets.detectors.online import Found
from assets.detectors.online_settings import Kind
from assets.watching import incidents
from warehouse.watching import WATCHED

START = datetime(2026, 1, 1, tzinfo=UTC)
NEW = ["series_id", "is_new", "kind", "readings", "peak_score", "peak_value"]


def found(*codes: tuple[int, Kind, float], every: timedelta = timedelta(minutes=5)) -> pl.DataFrame:
    """Incidents of readings, each (series, code, score), of which the value is its number."""
    readings = pl.DataFrame(
        [(series, START + at * every, float(at)) for at, (series, _, _) in enumerate(codes)], WATCHED, orient="row"
    )
    kind = np.array([code for _, code, _ in codes], np.int8)
    score = np.array([score for _, _, score in codes], np.float32)
    return incidents(readings, Found(kind, score))


def test_news_and_what_belongs_to_it_is_one_incident_with_the_peak_of_its_scores() -> None:
    told = found((1, Kind.NORMAL, 0), (1, Kind.DRIFT, 6), (1, Kind.ONGOING, 0), (1, Kind.ONGOING, 0))
    assert told.select(NEW).rows() == [(1, True, "drift", 3, 6.0, 1.0)]
    assert told.select("started_at", "peak_at", "ended_at").row(0) == tuple(
        START + timedelta(minutes=minutes) for minutes in (5, 5, 15)
    )


def test_what_goes_on_from_an_earlier_slice_is_no_news() -> None:
    told = found((1, Kind.ONGOING, 0), (1, Kind.ONGOING, 0), (1, Kind.STUCK, 7))
    assert told.select(NEW).rows() == [(1, False, None, 2, 0.0, 0.0), (1, True, "stuck", 1, 7.0, 2.0)]


def test_a_spike_that_turns_out_to_be_a_shift_is_one_incident_by_its_last_name() -> None:
    told = found((1, Kind.SPIKE, 9), *[(1, Kind.NORMAL, 0)] * 7, (1, Kind.SHIFT, 5))
    assert told.select(NEW).rows() == [(1, True, "shift", 2, 9.0, 0.0)]


def test_a_shift_long_after_a_spike_is_another() -> None:
    told = found((1, Kind.SPIKE, 9), (1, Kind.SHIFT, 5), every=timedelta(hours=5))
    assert told.get_column("kind").to_list() == ["spike", "shift"]


def test_series_do_not_mix() -> None:
    told = found((1, Kind.SPIKE, 9), (2, Kind.NOISE, 5), (1, Kind.ONGOING, 0), (2, Kind.ONGOING, 0))
    assert told.select("series_id", "kind", "readings").rows() == [(1, "spike", 2), (2, "noise", 2)]


def test_what_was_not_judged_is_nothing() -> None:
    assert found((1, Kind.NOT_JUDGED, 0), (1, Kind.LATE, 0), (1, Kind.NORMAL, 0)).is_empty()
    assert incidents(pl.DataFrame(schema=WATCHED), Found(np.empty(0, np.int8), np.empty(0, np.float32))).is_empty()
