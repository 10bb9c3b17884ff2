"""A Kafka producer for code that runs in an event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings
from sensors_io.kafka import connection
from sensors_io.uploads import UploadMessage

# Who uploads waits for this long at most, and is told within two seconds to retry. The client itself looks at what is
# too old only once a second, and drops it then.
ANSWER_WITHIN_S = 1.7
_PARTITIONS_GOOD_FOR_S = 60.0

Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True)
class Delivered:
    """Where Kafka put a message."""

    partition: int
    offset: int


class Publisher:
    """Sends messages and waits for Kafka's answers, which one thread of its own receives."""

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(
            connection(settings)
            | {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 2,
                "message.max.bytes": 1 << 20,
                "delivery.timeout.ms": int(ANSWER_WITHIN_S * 1000),
                # While Kafka is away, refuse rather than pile up.
                "queue.buffering.max.kbytes": 128 << 10,
            }
        )
        self._partitions: dict[str, tuple[int, float]] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._receive_answers, name="publisher", daemon=True)
        self._thread.start()

    async def partition_count(self, topic: str) -> int:
        """How many partitions the topic has; raises `DependencyDown` when Kafka doesn't tell."""
        count, asked_at = self._partitions.get(topic, (0, 0.0))
        if not count or time.monotonic() - asked_at > _PARTITIONS_GOOD_FOR_S:
            count = await asyncio.to_thread(self._ask_partition_count, topic)
            self._partitions[topic] = (count, time.monotonic())
        return count

    async def deliver(self, topic: str, messages: Sequence[UploadMessage], headers: Headers) -> list[Delivered]:
        """Send messages and return, in their order, where they are once every in-sync replica has them.

        Raises `DependencyDown` when Kafka did not say so in time: unknown whether it has all, some or none.
        """
        answers = _Answers(len(messages), asyncio.get_running_loop())
        try:
            for at, message in enumerate(messages):
                self._producer.produce(
                    topic,
                    message.value,
                    message.key,
                    message.partition,
                    on_delivery=answers.receiver(at),
                    headers=headers,
                )
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await answers.all_of_them
        except (BufferError, KafkaException, TimeoutError) as error:
            raise DependencyDown(f"Kafka does not take messages for {topic}: {error!r}") from error

    async def close(self) -> None:
        """Wait for the last answers, then stop."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._producer.flush(ANSWER_WITHIN_S)
        self._producer.purge()
        self._closing.set()
        self._thread.join()
        self._producer.close()

    def _receive_answers(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.1)

    def _ask_partition_count(self, topic: str) -> int:
        try:
            described = self._producer.list_topics(topic, timeout=ANSWER_WITHIN_S).topics[topic]
        except KafkaException as error:
            raise DependencyDown(f"Kafka does not tell about topic {topic}: {error}") from error
        if described.error or not described.partitions:
            raise DependencyDown(f"Kafka has no topic {topic}: {described.error}")
        return len(described.partitions)


class _Answers:
    """Collects the answers to one call of `deliver`, in the publisher's thread, and wakes its event loop once."""

    def __init__(self, expected: int, loop: asyncio.AbstractEventLoop) -> None:
        self.all_of_them: asyncio.Future[list[Delivered]] = loop.create_future()
        self._loop = loop
        self._missing = expected
        self._delivered: list[Delivered | None] = [None] * expected
        self._error: KafkaError | None = None

    def receiver(self, at: int) -> Callable[[KafkaError | None, Message], None]:
        """What Kafka's answer to the message at this place is given to."""

        def receive(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._error = error
            else:
                self._delivered[at] = Delivered(message.partition() or 0, message.offset() or 0)
            self._missing -= 1
            if not self._missing:
                self._loop.call_soon_threadsafe(self._finish)

        return receive

    def _finish(self) -> None:
        if self.all_of_them.done():
            return
        if self._error is not None:
            self.all_of_them.set_exception(KafkaException(self._error))
        else:
            self.all_of_them.set_result([place for place in self._delivered if place is not None])
