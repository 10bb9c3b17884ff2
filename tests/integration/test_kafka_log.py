"""Kafka's log as it is: made anew, cut short, with aborted transactions, with more partitions; and accepted losses."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic
from rich.console import Console

from infra.cli import main
from infra.commands import status
from sensorhouse.errors import Conflict, DependencyDown, NotFound
from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.balance import balance
from sensors_io.drain import drain
from sensors_io.drained import Drained
from sensors_io.gaps import accept_gap
from sensors_io.lag import look
from sensors_io.lake import open_lake
from sensors_io.topic_states import topic_state
from tests.readings import feeds, lake_rows, publish, reading, readings_of, warehouse_rows
from tests.waiting import wait_until
from warehouse import ledger, locks
from warehouse.database import connect
from warehouse.locks import Lock
from warehouse.lost import lost

ROOT = Path(__file__).parents[2]


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    """Settings under which a drain ends soon after it has caught up, also on a busy machine."""
    return settings.model_copy(update={"linger_s": 1.0, "slice_s": 0.5, "lake_flush_s": 0.0})


def run(settings: Settings) -> Drained:
    return drain(settings, readings_of(settings), open_lake(settings), run_id="test")


def put(settings: Settings, names: list[str], partition: int = 0) -> None:
    """One reading a message, of the sensors with these names."""
    publish(settings, settings.readings_topic, [(json.dumps(reading(name)).encode(), partition) for name in names])


def named(tag: str, count: int) -> list[str]:
    return [f"{tag}-{i:02}" for i in range(count)]


def in_both(settings: Settings) -> list[str]:
    """The sensors of all rows, which lake and warehouse must agree on."""
    lake = sorted(lake_rows(settings, "raw_readings").get_column("sensor_id").to_list())
    assert warehouse_rows(settings, "select sensor_id from raw_readings order by 1") == [(name,) for name in lake]
    return lake


def make_anew(settings: Settings) -> None:
    """Delete the topic of readings and make it again, as soon as the broker lets us."""
    client = kafka.admin(settings)
    for gone in client.delete_topics([settings.readings_topic]).values():
        gone.result()
    wait_until(lambda: is_made(settings), within_s=20)
    wait_until(lambda: tells_its_ends(settings), within_s=20)


def is_made(settings: Settings) -> bool:
    config = {"message.timestamp.type": "LogAppendTime"}
    wanted = NewTopic(settings.readings_topic, settings.topic_partitions, 1, config=config)
    client = kafka.admin(settings)
    try:
        client.create_topics([wanted])[settings.readings_topic].result()
    except KafkaException:
        return False
    return True


def tells_its_ends(settings: Settings) -> bool:
    client = kafka.admin(settings)
    try:
        return bool(kafka.log_ranges(client, kafka.describe(client, settings.readings_topic)))
    except DependencyDown:
        return False


def forget(settings: Settings, before: int, partition: int = 0) -> None:
    """Let the log begin at `before`, as retention does."""
    client = kafka.admin(settings)
    for gone in client.delete_records([TopicPartition(settings.readings_topic, partition, before)]).values():
        gone.result()


def told(settings: Settings) -> str:
    """What `sensorhouse status` says of the topics."""
    text = io.StringIO()
    status.show_topics(settings, Console(file=text, width=200))
    return text.getvalue()


@contextmanager
def paused_drain(settings: Settings) -> Iterator[Callable[[], dict[str, Any]]]:
    """A drain that has loaded one slice and stands still; called, it goes on and tells how it ended."""
    environment = {**os.environ, **settings.as_environment(), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.drain_and_pause"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            _, state = os.waitpid(process.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(state), "it ended before its first slice"

            def go_on() -> dict[str, Any]:
                process.send_signal(signal.SIGCONT)
                out, _ = process.communicate(timeout=60)
                found: dict[str, Any] = json.loads(out)
                return found

            yield go_on
        finally:
            process.kill()


def test_a_topic_made_anew_between_drains_is_another_topic(brisk: Settings) -> None:
    put(brisk, named("old", 10))
    run(brisk)
    make_anew(brisk)
    put(brisk, named("new", 4))
    assert run(brisk).truncated == []
    assert in_both(brisk) == named("new", 4) + named("old", 10)
    assert lake_rows(brisk, "raw_readings").get_column("topic_id").n_unique() == 2


def test_a_topic_made_anew_during_a_drain_is_not_read_as_the_old_one(brisk: Settings) -> None:
    put(brisk, named("old", 10))
    before = kafka.describe(kafka.admin(brisk), brisk.readings_topic).id
    # It has been idle for as long as it stood still; it must not end for that.
    with paused_drain(brisk.model_copy(update={"linger_s": 30.0})) as go_on:
        make_anew(brisk)
        # More than the old topic held: the drain's next offset is there again, and means another message.
        put(brisk, named("new", 30))
        assert go_on()["error"] == "TopicRecreated"
    of_old = lake_rows(brisk, "raw_readings").filter(pl.col("topic_id") == before)
    assert sorted(of_old.get_column("sensor_id").to_list()) == named("old", 10)
    run(brisk)
    assert in_both(brisk) == named("new", 30) + named("old", 10)


def test_a_topic_made_anew_tells_how_far_the_old_one_was_read(brisk: Settings) -> None:
    put(brisk, named("old", 10))
    run(brisk)
    put(brisk, named("late", 2))
    look(brisk, brisk.readings_topic)
    before = kafka.describe(kafka.admin(brisk), brisk.readings_topic).id
    make_anew(brisk)
    (earlier,) = topic_state(brisk, brisk.readings_topic).earlier
    assert (earlier.topic_id, earlier.unread) == (before, 2)
    assert f"{brisk.readings_topic} was made anew: the topic {before}" in told(brisk)
    assert "partition 0 to 10 of 12" in told(brisk)
    assert "2 offsets were never read" in told(brisk)


def test_a_log_that_loses_its_beginning_during_a_drain_stops_that_partition_only(brisk: Settings) -> None:
    put(brisk, named("a", 10))
    with paused_drain(brisk.model_copy(update={"linger_s": 6.0})) as go_on:
        put(brisk, named("b", 5))
        put(brisk, named("c", 5), partition=1)
        forget(brisk, 13)
        ended = go_on()
    assert ended["truncated"] == [f"{brisk.readings_topic}[0]: next is offset 10, but the log holds 13 to 15"]
    run(brisk)
    assert in_both(brisk) == named("a", 10) + named("c", 5)


def test_aborted_messages_are_not_read_and_do_not_hold_up_the_rest(brisk: Settings) -> None:
    producer = Producer(kafka.connection(brisk) | {"transactional.id": brisk.readings_topic})
    producer.init_transactions(20)
    for i, tag in enumerate(["kept", "aborted", "also-kept", "aborted-too"]):
        producer.begin_transaction()
        for name in named(tag, 3):
            producer.produce(brisk.readings_topic, json.dumps(reading(name)).encode(), partition=0)
        if i % 2:
            producer.flush(20)
            producer.abort_transaction(20)
        else:
            producer.commit_transaction(20)
    drained = run(brisk)
    assert (drained.work.messages, drained.work.rows) == (6, 6)
    assert in_both(brisk) == named("also-kept", 3) + named("kept", 3)
    # The log ends with the marker of an abort, which is no message: the drain is past it.
    lag = look(brisk, brisk.readings_topic)
    assert lag.partitions[0].next_offset == lag.partitions[0].high_watermark == 16
    assert run(brisk).work.slices == 0


def test_an_open_transaction_is_read_when_it_is_committed(brisk: Settings) -> None:
    producer = Producer(kafka.connection(brisk) | {"transactional.id": brisk.readings_topic})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(brisk.readings_topic, json.dumps(reading("in-doubt")).encode(), partition=0)
    producer.flush(20)
    put(brisk, ["behind-it"])
    assert run(brisk).work.rows == 0
    producer.commit_transaction(20)
    run(brisk)
    assert in_both(brisk) == ["behind-it", "in-doubt"]


def test_partitions_added_during_a_drain_are_taken_by_the_next(brisk: Settings) -> None:
    put(brisk, named("a", 5))
    client = kafka.admin(brisk)
    with paused_drain(brisk) as go_on:
        client.create_partitions([NewPartitions(brisk.readings_topic, 6)])[brisk.readings_topic].result()
        wait_until(lambda: len(kafka.describe(client, brisk.readings_topic).partitions) == 6, within_s=20)
        put(brisk, named("b", 5), partition=5)
        go_on()
    run(brisk)
    assert in_both(brisk) == named("a", 5) + named("b", 5)


def lose(settings: Settings) -> None:
    """Two readings drained, then three of which Kafka forgets the first two."""
    put(settings, ["a", "b"])
    run(settings)
    put(settings, ["c", "d", "e"])
    forget(settings, 4)


def test_status_tells_what_is_lost_and_what_to_type(brisk: Settings) -> None:
    assert "stopped:" not in told(brisk)
    lose(brisk)
    assert f"{brisk.readings_topic}[0] is stopped: offsets 2 to 4 are gone" in told(brisk)
    assert f"sensorhouse gaps accept {brisk.readings_topic} 0" in told(brisk)


def test_nothing_is_skipped_until_a_person_accepts_it(brisk: Settings) -> None:
    lose(brisk)
    assert len(run(brisk).truncated) == len(run(brisk).truncated) == 1
    assert in_both(brisk) == ["a", "b"]
    accept_gap(brisk, readings_of(brisk), open_lake(brisk), 0, accepted_by="ada")
    assert run(brisk).truncated == []
    assert in_both(brisk) == ["a", "b", "e"]
    assert balance(brisk, readings_of(brisk), open_lake(brisk), full=True).differences == {}


def test_an_accepted_range_is_recorded_for_each_table_and_told(brisk: Settings) -> None:
    lose(brisk)
    accept_gap(brisk, readings_of(brisk), open_lake(brisk), 0, accepted_by="ada")
    with connect(brisk.database_url) as connection:
        found = lost(connection, kafka.describe(kafka.admin(brisk), brisk.readings_topic).id)
    assert [(one.table, one.partition, one.start, one.end, one.accepted_by) for one in found] == [
        (table, 0, 2, 4, "ada") for table in ("dead_letters", "ledger", "raw_readings")
    ]
    assert "lacks offsets 2 to 4 (the log began at 4), accepted by ada" in told(brisk)
    assert "stopped:" not in told(brisk)


def test_accepting_again_changes_nothing(brisk: Settings) -> None:
    lose(brisk)
    feed, lake = readings_of(brisk), open_lake(brisk)
    assert accept_gap(brisk, feed, lake, 0, accepted_by="ada")
    versions = [lake.table(name).version() for name in ("raw_readings", "dead_letters")]
    assert accept_gap(brisk, feed, lake, 0, accepted_by="bob") == {}
    assert [lake.table(name).version() for name in ("raw_readings", "dead_letters")] == versions
    assert warehouse_rows(brisk, "select distinct accepted_by from lost_ranges") == [("ada",)]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", ["ledger", "raw_readings", "dead_letters"])
def test_accepting_that_was_killed_between_two_tables_is_finished_by_another(brisk: Settings, at: str) -> None:
    lose(brisk)
    feed, lake = readings_of(brisk), open_lake(brisk)

    def die(reached: str) -> None:
        if reached == at:
            raise Killed

    with pytest.raises(Killed):
        accept_gap(brisk, feed, lake, 0, accepted_by="ada", step=die)
    # The lock ends with the connection, a moment after the killed one's end.
    wait_until(lambda: not look(brisk, brisk.readings_topic).is_draining, within_s=20)
    accept_gap(brisk, feed, lake, 0, accepted_by="bob")
    assert not look(brisk, brisk.readings_topic).partitions[0].is_truncated
    assert run(brisk).truncated == []
    assert in_both(brisk) == ["a", "b", "e"]
    assert warehouse_rows(brisk, "select start_offset, end_offset, accepted_by from lost_ranges") == [(2, 4, "ada")] * 3


def test_a_table_that_was_ahead_loses_nothing(brisk: Settings) -> None:
    put(brisk, ["a", "b"])
    run(brisk)
    topic = kafka.describe(kafka.admin(brisk), brisk.readings_topic)
    put(brisk, ["c", "d", "e"])
    with connect(brisk.database_url) as connection:
        connection.execute("update ledger set next_offset = 4 where topic_id = %s and partition = 0", [topic.id])
    forget(brisk, 4)
    moved = accept_gap(brisk, readings_of(brisk), open_lake(brisk), 0, accepted_by="ada")
    assert sorted(moved) == ["dead_letters", "raw_readings"]


def test_no_loss_is_accepted_while_a_drain_is_at_work(brisk: Settings) -> None:
    lose(brisk)
    topic = kafka.describe(kafka.admin(brisk), brisk.readings_topic)
    with connect(brisk.database_url, autocommit=True) as connection:
        assert locks.take(connection, Lock.DRAIN, locks.of_partition(topic.id, 0))
        with pytest.raises(Conflict, match="a drain"):
            accept_gap(brisk, readings_of(brisk), open_lake(brisk), 0, accepted_by="ada")
    with connect(brisk.database_url) as connection:
        assert ledger.next_offsets(connection, topic.id)[0] == 2


def test_a_partition_that_is_not_there_has_no_gap(brisk: Settings) -> None:
    with pytest.raises(NotFound):
        accept_gap(brisk, readings_of(brisk), open_lake(brisk), 99, accepted_by="ada")


def test_the_command_accepts_a_gap_when_told_to(brisk: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    lose(brisk)
    assert sensorhouse(brisk, "gaps", "list") == 1
    assert "offsets 2 to 4 are gone" in capsys.readouterr().out
    assert sensorhouse(brisk, "gaps", "accept", "readings", "0", "--yes") == 0
    assert sensorhouse(brisk, "gaps", "accept", "readings", "0", "--yes") == 0
    assert "nothing is lost there" in capsys.readouterr().out
    assert sensorhouse(brisk, "gaps", "list") == 0
    assert feeds(brisk)["readings"].topic in capsys.readouterr().out


def sensorhouse(settings: Settings, *words: str) -> int:
    """The command, on these settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.as_environment().items():
            patch.setenv(name, value)
        patch.chdir(ROOT)
        return main(words)
