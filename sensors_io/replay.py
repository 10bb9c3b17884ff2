"""Dead letters published again, to the topic and partition they came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from confluent_kafka import KafkaError, Message, Producer

from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings
from sensors_io import kafka
from warehouse.database import Connection, connect
from warehouse.dead_letters import DeadLetter, Replay, note_replays, payload

HEADER = "replay_of"
"""Says where a replayed message came from: topic id, partition, offset and index."""
_AT_ONCE = 500
_ACKNOWLEDGED_WITHIN_S = 35.0
_BY_KEY = -1


def replay(settings: Settings, letters: Sequence[DeadLetter], *, replayed_by: str) -> list[Replay]:
    """Publish the letters' payloads and remember where they went; returns what Kafka acknowledged.

    Ended in the middle, some may be published and not remembered: replaying them again does no harm, as staging
    keeps one of equal readings. Raises `DependencyDown` when not all were acknowledged; those that were are remembered.
    """
    producer, client = kafka.producer(settings), kafka.admin(settings)
    topics = {name: kafka.describe(client, name) for name in {letter.topic for letter in letters}}
    done: list[Replay] = []
    waiting = iter(letters)
    while some := list(islice(waiting, _AT_ONCE)):
        with connect(settings.database_url) as connection:
            acknowledged = list(_publish(producer, connection, some, topics))
            note_replays(connection, acknowledged, replayed_by=replayed_by)
        done += acknowledged
        if len(acknowledged) < len(some):
            raise DependencyDown(f"Kafka acknowledged {len(done)} of {len(letters)} dead letters; replay again")
    return done


def _publish(
    producer: Producer, connection: Connection, letters: Sequence[DeadLetter], topics: dict[str, kafka.Topic]
) -> Iterator[Replay]:
    delivered: dict[str, tuple[DeadLetter, int, int]] = {}

    for letter in letters:

        def note(error: KafkaError | None, message: Message, letter: DeadLetter = letter) -> None:
            partition, offset = message.partition(), message.offset()
            if error is None and partition is not None and offset is not None:
                delivered[letter.position] = (letter, partition, offset)

        # A topic made anew may have fewer partitions; then the key says which.
        partition = letter.partition if letter.partition in topics[letter.topic].partitions else _BY_KEY
        producer.produce(
            letter.topic,
            payload(connection, letter),
            letter.key,
            partition,
            on_delivery=note,
            headers=_headers(letter),
        )
        producer.poll(0)
    producer.flush(_ACKNOWLEDGED_WITHIN_S)
    for letter, partition, offset in delivered.values():
        yield Replay(letter, topics[letter.topic].id, partition, offset)


def _headers(letter: DeadLetter) -> list[tuple[str, str | bytes | None]]:
    told = {HEADER: letter.position, "content-type": letter.content_type, "upload_id": letter.upload_id}
    return [(name, value) for name, value in told.items() if value is not None]
