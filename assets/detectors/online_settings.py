"""What the online detector can find, and the few numbers that it judges all series by."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What became of a reading. Below zero it was not judged, which must not read as normal."""

    UNUSABLE = -4  # NaN, infinite or beyond 1e30; moves nothing
    REPEATED = -3  # the series' newest event_time again; moves nothing
    LATE = -2  # older than that; moves nothing
    NOT_JUDGED = -1  # too little is known of the series yet
    NORMAL = 0
    SPIKE = 1  # a jump; whether the value comes back shows later
    SHIFT = 2  # told again of a spike after which it didn't
    DRIFT = 3
    NOISE = 4  # told again of a spike with which it began
    STUCK = 5
    LIMIT = 6  # out of the limits that were given for the series; judged from the first reading on
    PATTERN = 7  # usual in itself, not at this hour
    ONGOING = 100  # stands out, but belongs to an incident that was told already


class Online(NamedTuple):
    """What is the same for all series. Rates are per reading; scores in nats."""

    threshold: float = 5.0  # for a reading in so many seconds; with more, each must be rarer, to alarm as often a day:
    usual_s: float = 300.0
    warm_up: float = 100.0  # readings, and
    warm_up_hours: float = 24.0  # before a series is judged
    slow: float = 0.0002  # rate of the slow mean and of the scales; less where a day has more readings than that
    middle: float = 0.03
    fast: float = 0.2
    noisy: float = 0.01  # rate of `noise`
    steps: float = 0.003  # rate of `step`
    width: float = 3.0  # of the cells, in typical distances
    clip: float = 4.0  # a reading moves a scale as if it were this many times it, at most
    reach: float = 100.0  # and a mean as if it were that far away
    record: float = 1.05  # a value is a record when it is this many times as far from the mean as any before
    fade: float = 0.99  # of the peak, a reading
    fade_s: float = 900.0  # where readings come faster than one in nine seconds, it fades over so many seconds instead
    news: float = 1.5  # a score is news when it is this many times the peak
    refresh_days: float = 14.0  # a set of cells keeps those that were seen in so many days,
    refresh_readings: float = 1500.0  # and in so many readings; the five sets take turns
    alarms_a_day: float = 0.1  # a series that alarms more often has its threshold raised until it doesn't
    raise_by: float = 1.0
    raise_most: float = 20.0
    stay_most: float = 12.0
    far: float = 5.0  # typical distances from the fast mean; what jumps further is called a spike
    shifted: float = 5.0  # typical trends; a spike after which the trend is this strong was a shift
    limit_score: float = 100.0
