"""What becomes of a key's episodes when it is judged again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import polars as pl

from assets.verdicts import EXAMINED, merged, settle
from tests.readings import NOON
from warehouse.judged import EPISODES

LATER = NOON + timedelta(days=1)


def episode(
    number: int | None,
    sensor: str = "a",
    minutes: tuple[int, int] = (0, 0),
    *,
    kind: str = "spike",
    tier: str = "online",
) -> dict[str, Any]:
    start, end = (NOON + timedelta(minutes=one) for one in minutes)
    return {
        "episode_id": None if number is None else str(UUID(int=number)),
        "sensor_id": sensor,
        "sensor_type": "temperature",
        "metric": "temperature",
        "unit": "C",
        "day": NOON.date(),
        "kind": kind,
        "started_at": start,
        "peak_at": start,
        "ended_at": end,
        "readings": 1,
        "peak_score": 2.0,
        "peak_value": 1.0,
        "tier": tier,
        "noticed_at": start,
    }


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in EPISODES} for row in rows], EPISODES)


def examined(*sensors: str, judged: bool = True) -> pl.DataFrame:
    times = (NOON - timedelta(hours=1), NOON + timedelta(hours=1), timedelta(minutes=2)) if judged else (None,) * 3
    return pl.DataFrame([(sensor, "temperature", "C", *times) for sensor in sensors], EXAMINED, orient="row")


def verdicts(episodes: pl.DataFrame) -> dict[int, tuple[str | None, int | None]]:
    """By the number of an online episode, its verdict and the number of the one that settled it."""
    online = episodes.filter(pl.col("tier") == "online")
    return {
        UUID(row["episode_id"]).int: (row["verdict"], row["settled_by"] and UUID(row["settled_by"]).int)
        for row in online.iter_rows(named=True)
    }


def test_an_online_episode_is_confirmed_corrected_or_withdrawn() -> None:
    online = frame(
        episode(1),
        episode(2, minutes=(20, 20), kind="shift"),
        episode(3, minutes=(40, 40)),
        episode(4, minutes=(50, 50), kind="stuck"),
        episode(5, minutes=(55, 55), kind="out_of_spec"),
    )
    batch = frame(
        episode(6, minutes=(1, 2), kind="spike", tier="batch"), episode(7, minutes=(15, 25), kind="drift", tier="batch")
    )
    told = settle(online, batch, examined("a"))
    assert {UUID(one).int: (verdict, by and UUID(by).int) for one, verdict, by in told.iter_rows()} == {
        1: ("confirmed", 6),
        2: ("corrected", 7),
        3: ("withdrawn", None),
    }


def test_of_two_the_one_of_the_same_kind_confirms() -> None:
    batch = frame(
        episode(6, minutes=(0, 0), kind="drift", tier="batch"), episode(7, minutes=(1, 1), kind="spike", tier="batch")
    )
    assert settle(frame(episode(1)), batch, examined("a")).rows() == [(str(UUID(int=1)), "confirmed", str(UUID(int=7)))]


def test_what_came_after_the_last_reading_that_was_judged_is_left_alone() -> None:
    later = frame(episode(1, minutes=(90, 90)), episode(2, "b"))
    assert settle(later, frame(), examined("a")).rows() == []


def test_a_series_without_enough_past_has_nothing_said_of_it() -> None:
    after = merged(frame(episode(1)), frame(), examined("a", judged=False), LATER)
    assert verdicts(after) == {1: (None, None)}


def test_episodes_of_series_that_did_not_change_stay() -> None:
    before = frame(episode(1, "a", tier="batch"), episode(2, "b", tier="batch"), episode(3, "b"))
    after = merged(before, frame(), examined("a"), LATER)
    assert after.equals(before.filter(pl.col("sensor_id") == "b").sort("started_at", "episode_id"))


def test_an_episode_that_grew_keeps_its_name_and_a_new_one_is_named_by_what_it_is() -> None:
    before = frame(episode(1, minutes=(0, 5), tier="batch"))
    found = frame(episode(None, minutes=(3, 9), tier="batch"), episode(None, minutes=(20, 21), tier="batch"))
    grown, new = merged(before, found, examined("a"), LATER).to_dicts()
    assert (grown["episode_id"], grown["noticed_at"]) == (str(UUID(int=1)), NOON)
    (again,) = merged(frame(), found[1:], examined("a"), LATER).to_dicts()
    assert again["episode_id"] == new["episode_id"]
    assert new["episode_id"] != grown["episode_id"]


def test_judged_again_nothing_changes_and_a_verdict_may_be_taken_back() -> None:
    before = frame(episode(1))
    first = merged(before, frame(), examined("a"), LATER)
    assert verdicts(first) == {1: ("withdrawn", None)}
    assert first.get_column("settled_at").to_list() == [LATER]
    assert merged(first, frame(), examined("a"), LATER + timedelta(hours=1)).equals(first)
    found = frame(episode(None, tier="batch"))
    second = merged(first, found, examined("a"), LATER + timedelta(hours=2))
    ((verdict, by),) = verdicts(second).values()
    assert verdict == "confirmed"
    assert str(UUID(int=by or 0)) in second.filter(pl.col("tier") == "batch").get_column("episode_id")
    third = merged(second, frame(), examined("a", judged=True), LATER)
    assert verdicts(third) == {1: ("withdrawn", None)}
