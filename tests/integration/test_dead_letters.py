"""Dead letters: found, shown, and published again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from assets.staging import stage
from infra.cli import main
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.feeds import readings_feed
from sensors_io.lake import open_lake
from sensors_io.replay import replay
from tests.readings import NOON, SENSOR_TYPES, lake_rows, publish, reading, warehouse_rows
from tests.topics import messages
from warehouse.database import connect
from warehouse.dead_letters import DeadLetter, Wanted, by_reason, find


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    """Settings under which a drain ends soon after it has caught up, also on a busy machine."""
    return settings.model_copy(update={"linger_s": 1.0, "slice_s": 0.5, "lake_flush_s": 0.0})


def run(settings: Settings, *, sensor_types: Sequence[str] = SENSOR_TYPES) -> None:
    feed = readings_feed(settings, sensor_types=sensor_types)
    drain(settings, feed, open_lake(settings), run_id="test")


ALL = Wanted()


def letters(settings: Settings, wanted: Wanted = ALL) -> list[DeadLetter]:
    with connect(settings.database_url) as connection:
        return find(connection, wanted)


def fail_some(settings: Settings) -> None:
    """A message in partition 1 with one good reading and one of a type that nobody knows yet, then a broken one."""
    smell = reading("nose", sensor_type="smell", metric="smell", unit="ou")
    publish(settings, settings.readings_topic, [(json.dumps([reading(), smell]).encode(), 1), (b"{", 1)])
    run(settings)


def sensorhouse(settings: Settings, *words: str) -> int:
    """The command, on these settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.as_environment().items():
            patch.setenv(name, value)
        return main(words)


def test_dead_letters_are_found_by_what_is_wrong_and_when_they_came(brisk: Settings) -> None:
    fail_some(brisk)
    now = datetime.now(UTC)
    assert len(letters(brisk)) == 2
    assert [one.index for one in letters(brisk, Wanted(reason="Unknown SENSOR"))] == [1]
    assert letters(brisk, Wanted(since=now + timedelta(hours=1))) == []
    assert len(letters(brisk, Wanted(since=now - timedelta(hours=1), topic=brisk.readings_topic))) == 2
    assert letters(brisk, Wanted(topic=brisk.orders_topic)) == []


def test_a_replayed_letter_goes_to_its_partition_with_all_that_came_with_it(brisk: Settings) -> None:
    fail_some(brisk)
    (letter,) = letters(brisk, Wanted(reason="sensor_type"))
    (done,) = replay(brisk, [letter], replayed_by="ada")
    message = messages(brisk, brisk.readings_topic)[-1]
    assert (message.partition(), message.offset()) == (1, 2) == (done.new_partition, done.new_offset)
    assert json.loads(message.value() or b"")["sensor_id"] == "nose"
    headers = dict(message.headers() or [])
    assert headers["replay_of"] == f"{letter.topic_id}/1/0/1".encode()
    assert headers["content-type"] == b"application/json"
    assert letters(brisk, Wanted(reason="sensor_type"))[0].replayed_to == (1, 2)


def test_a_letter_replayed_twice_is_staged_once(brisk: Settings) -> None:
    fail_some(brisk)
    for _ in range(2):
        replay(brisk, letters(brisk, Wanted(reason="sensor_type")), replayed_by="ada")
    run(brisk, sensor_types=[*SENSOR_TYPES, "smell"])
    raw = lake_rows(brisk, "raw_readings")
    assert raw.get_column("sensor_id").sort().to_list() == ["nose", "nose", "probe-1"]
    staged = stage(raw)
    assert sorted(staged.select("sensor_id", "duplicates").rows()) == [("nose", 1), ("probe-1", 0)]
    assert warehouse_rows(brisk, "select sensor_id, event_time from readings order by 1") == [
        ("nose", NOON),
        ("probe-1", NOON),
    ]


def test_what_still_can_not_be_taken_becomes_a_dead_letter_again(brisk: Settings) -> None:
    fail_some(brisk)
    replay(brisk, letters(brisk), replayed_by="ada")
    run(brisk)
    assert sorted((one.offset, one.replays) for one in letters(brisk)) == [(0, 1), (1, 1), (2, 0), (3, 0)]


def test_reasons_are_counted(brisk: Settings) -> None:
    fail_some(brisk)
    with connect(brisk.database_url) as connection:
        counted = by_reason(connection)
    assert [(one.topic, one.last_day, one.ever) for one in counted] == [(brisk.readings_topic, 1, 1)] * 2


def test_the_command_lists_shows_and_replays(brisk: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    fail_some(brisk)
    assert sensorhouse(brisk, "dead-letters", "list", "--reason", "sensor_type", "--since", "1h") == 0
    assert "unknown sensor_type" in capsys.readouterr().out
    assert sensorhouse(brisk, "dead-letters", "show", "readings", "1", "0", "1") == 0
    assert '"nose"' in capsys.readouterr().out
    assert sensorhouse(brisk, "dead-letters", "show", "readings", "1", "77") == 1
    assert sensorhouse(brisk, "dead-letters", "replay", "--topic", "readings", "--yes") == 0
    assert "2 dead letters were published again" in capsys.readouterr().out
    assert sensorhouse(brisk, "dead-letters", "replay", "--topic", "readings", "--yes") == 0
    assert "nothing to replay" in capsys.readouterr().out
    assert sensorhouse(brisk, "dead-letters", "replay", "readings", "1", "0", "1", "--yes") == 0
    assert "1 dead letters" in capsys.readouterr().out
    sensorhouse(brisk, "dead-letters", "list", "--topic", "readings")
    assert "2×, to 1/4" in capsys.readouterr().out
