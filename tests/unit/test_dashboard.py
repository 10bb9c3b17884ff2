"""What the dashboard says of what was found out, and when it looks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from api import frame, page
from api.charts import curve_figure, rates_figure
from api.dashboard import Health, Snapshot, lag
from api.health import Part, status, watched_parts
from api.snapshots import Watched
from api.tiles import tiles
from api.words import duration
from sensorhouse.errors import DependencyDown
from sensors_io.ends import TopicEnd
from sensors_io.kafka import LogRange
from warehouse.curves import Curve
from warehouse.episodes import Episode
from warehouse.metrics import Metrics, Rate

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EPISODE = Episode(
    sensor_id="probe-1",
    sensor_type="temperature",
    metric="temperature",
    unit="C",
    episode_id=UUID(int=1),
    kind="shift",
    started_at=NOW - timedelta(hours=1),
    ended_at=NOW,
    readings=3,
    peak_value=12.0,
    tier="online",
)
QUIET = Snapshot(
    taken_at=NOW,
    orders_by_status={"accepted": 2, "shipped": 1},
    orders_last_minute=1,
    orders_last_hour=2,
    readings_stored=1_234_567,
    readings_per_s=0.0,
    rates=(),
    freshness_s=None,
    last_loaded_at=NOW - timedelta(minutes=5),
    draining=0,
    relay_leads=True,
    dead_letters=4,
    duplicates=1,
    revisions=0,
    anomalies_last_day=3,
    anomalies=9,
    episodes=(EPISODE,),
    outbox_waiting=0,
    outbox_oldest_s=0.0,
    next_offsets={"c/readings": {0: 5}},
    lag={"orders": 0, "readings": 7},
)


def text_of(component: object) -> str:
    """All text in a Dash component, in order."""
    if isinstance(component, str):
        return component
    if isinstance(component, list | tuple):
        return " ".join(filter(None, map(text_of, component)))
    return text_of(getattr(component, "children", None) or [])


def watched(value: Metrics | None = QUIET, problem: str | None = None) -> Watched[Metrics]:
    async def never() -> Metrics:
        raise AssertionError

    return Watched(never, 1.0, value=value, taken_at=NOW, problem=problem)


def find(parts: tuple[Part, ...], name: str) -> Part:
    return next(part for part in parts if part.name == name)


def test_lag_counts_what_the_warehouse_has_not_loaded() -> None:
    ends = {"readings": TopicEnd("c/readings", {0: LogRange(0, 12), 1: LogRange(3, 5)})}
    assert lag(ends, {"c/readings": {0: 10}}) == {"readings": 4}


def test_lag_of_a_recreated_topic_is_all_of_it() -> None:
    ends = {"readings": TopicEnd("c/another", {0: LogRange(0, 12)})}
    assert lag(ends, {"c/readings": {0: 10}}) == {"readings": 12}


def test_the_tiles_tell_numbers_with_units() -> None:
    told = text_of(tiles(QUIET))
    assert "1,234,567" in told
    assert "7 messages" in told
    assert "idle nothing new for 5 minutes" in told
    assert "1 duplicate, 0 revised" in told


def test_an_unknown_lag_is_not_shown_as_none() -> None:
    told = text_of(tiles(replace(QUIET, lag={"orders": 0, "readings": None})))
    assert "Lag – orders 0, readings unknown" in told


def test_the_page_follows_the_newest_anomaly_until_one_is_chosen() -> None:
    older = replace(EPISODE, episode_id=UUID(int=2))
    newer = replace(EPISODE, episode_id=UUID(int=3))
    shown = page.episode_options([EPISODE, older])
    assert page.choice([EPISODE, older], [], None) == page.key(EPISODE)
    assert page.choice([newer, EPISODE, older], shown, page.key(EPISODE)) == page.key(newer)
    assert page.choice([newer, EPISODE, older], shown, page.key(older)) == page.key(older)
    assert page.choice([newer], shown, page.key(older)) == page.key(newer)
    assert page.choice([], shown, page.key(older)) is None


def test_an_episode_keeps_its_key_while_it_grows() -> None:
    assert page.key(EPISODE) == page.key(replace(EPISODE, ended_at=NOW + timedelta(hours=1), readings=9))


def test_orders_are_listed_in_the_order_of_their_life() -> None:
    told = text_of(page.orders({"shipped": 1, "accepted": 2}))
    assert told.index("accepted 2") < told.index("shipped 1") < told.index("cancelled 0")


def test_the_curve_marks_the_anomalous_readings() -> None:
    curve = Curve((NOW - timedelta(hours=2), NOW - timedelta(minutes=5)), (1.0, 12.0))
    line, marks = curve_figure(EPISODE, curve)["data"]
    assert line["y"] == (1.0, 12.0)
    assert (marks["x"], marks["y"]) == ([NOW - timedelta(minutes=5)], [12.0])


def test_a_silent_sensor_has_no_peak_to_tell() -> None:
    silent = replace(EPISODE, kind="drop_out", readings=0, peak_value=None)
    assert page.curve_title(silent) == "probe-1, temperature: silent"
    assert page.curve_title(EPISODE) == "probe-1, temperature: shift, 12.0 °C"


def test_a_sensor_that_is_still_silent_is_told_since_when() -> None:
    silent = replace(EPISODE, kind="drop_out", readings=0, peak_value=None, is_silent=True)
    assert page.curve_title(silent) == "probe-1, temperature: silent since 20 Nov 11:00"
    (option,) = page.episode_options([silent])
    assert text_of(option["label"]) == "probe-1 silent since 20 Nov 11:00 as noticed"


def test_an_idle_rate_is_a_line_at_the_bottom() -> None:
    assert rates_figure([Rate(NOW, 0.0), Rate(NOW, 0.4)])["layout"]["yaxis"]["range"] == [0, 10.0]


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (59, "59 s"), (60, "1 minute"), (7300, "2 hours"), (200_000, "2 days")]
)
def test_a_duration_is_told_in_its_largest_unit(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_all_is_well_when_nothing_waits() -> None:
    parts = watched_parts(watched(), watched(), lag=0)
    assert status(parts) == "ok"
    assert text_of(frame.overall(Health("ok", parts))).endswith("All 5 parts are healthy")


def test_waiting_messages_without_a_drain_are_told() -> None:
    drain = find(watched_parts(watched(), watched(), lag=7), "drain")
    assert (drain.healthy, drain.detail) == (False, "7 messages wait and no drain is at work")
    assert find(watched_parts(watched(replace(QUIET, draining=1)), watched(), lag=7), "drain").healthy


def test_an_outbox_that_nobody_empties_is_told() -> None:
    late = replace(QUIET, outbox_waiting=2, outbox_oldest_s=75.0)
    relay = find(watched_parts(watched(late), watched(), lag=0), "relay")
    assert (relay.healthy, relay.detail) == (False, "2 events wait, the oldest for 1 minute")
    assert not find(watched_parts(watched(replace(QUIET, relay_leads=False)), watched(), lag=0), "relay").healthy


def test_an_error_of_the_kafka_client_is_told_in_its_words() -> None:
    problem = 'Kafka does not tell: KafkaError{code=_TRANSPORT,val=-195,str="Broker down"}'
    parts = watched_parts(watched(), watched(problem=problem), lag=0)
    assert find(parts, "kafka").detail == "Kafka does not tell: Broker down"
    assert status(parts) == "degraded"
    (first, *_) = page.parts(Health("degraded", parts))
    assert "kafka" in text_of(first)


async def test_viewers_share_one_look() -> None:
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        return looks

    shared = Watched(look, every_s=60)
    task = asyncio.create_task(shared.run())
    assert await asyncio.gather(*(shared.latest() for _ in range(20))) == [1] * 20
    task.cancel()


async def test_nobody_looks_while_nobody_watches() -> None:
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1

    task = asyncio.create_task(Watched(look, every_s=0.01).run())
    await asyncio.sleep(0.05)
    task.cancel()
    assert looks == 0


async def test_a_failed_look_keeps_the_last_value_and_tells_why() -> None:
    answers: Iterator[int | Exception] = iter([1, DependencyDown("Postgres does not answer"), ValueError("odd"), 4])

    async def look() -> int:
        answer = next(answers, 4)
        if isinstance(answer, Exception):
            raise answer
        return answer

    shared = Watched(look, every_s=0.01)
    task = asyncio.create_task(shared.run())
    assert await shared.latest() == 1
    problems = set()
    async with asyncio.timeout(5):
        while shared.value != 4:
            problems.add(shared.problem)
            await asyncio.sleep(0.001)
    task.cancel()
    assert problems >= {"Postgres does not answer", "ValueError: odd"}
    assert shared.problem is None


async def test_without_any_value_yet_the_reason_is_raised() -> None:
    async def look() -> int:
        raise DependencyDown("Postgres does not answer")

    shared = Watched(look, every_s=60)
    task = asyncio.create_task(shared.run())
    with pytest.raises(DependencyDown, match="Postgres does not answer"):
        await shared.latest()
    task.cancel()
