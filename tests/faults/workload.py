"""The workload: numbered readings, sent while things go wrong, and what became of each message that was sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from confluent_kafka import KafkaError, Message

from sensorhouse.settings import Settings
from sensors_io import kafka
from tests.readings import reading
from tests.waiting import wait_until

PER_MESSAGE = 3
SENSORS = 8
# Every so many messages one that can't be taken, one of a type that nobody knows, and an earlier one again.
BROKEN_EVERY, REFUSED_EVERY, REPEATED_EVERY = 17, 19, 13


@dataclass(frozen=True)
class Sent:
    """One message: its bytes and its partition; `numbers` are its readings' values, none when it can't be taken."""

    payload: bytes
    partition: int
    numbers: tuple[float, ...]


@dataclass
class Sendings:
    """What was sent: messages that were acknowledged, by position, and those of which nobody knows."""

    acknowledged: dict[tuple[int, int], Sent] = field(default_factory=dict)
    unknown: list[Sent] = field(default_factory=list)

    @property
    def readings(self) -> dict[tuple[int, int, int], float]:
        """Each acknowledged reading's value by partition, offset and index."""
        return {
            (*position, index): number
            for position, sent in self.acknowledged.items()
            for index, number in enumerate(sent.numbers)
        }

    @property
    def dead(self) -> set[tuple[int, int]]:
        """Positions of the acknowledged messages that can't be taken."""
        return {position for position, sent in self.acknowledged.items() if not sent.numbers}


class Workload:
    """Sends about `per_s` messages a second from a thread until it is left."""

    def __init__(
        self,
        settings: Settings,
        *,
        per_s: int = 300,
        timestamp_ms: Callable[[int], int] | None = None,
    ) -> None:
        self._settings, self._per_s, self._timestamp_ms = settings, per_s, timestamp_ms
        self._producer = kafka.producer(settings)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._send_all, name="workload", daemon=True)
        self._first_event = datetime.now(UTC) - timedelta(days=10)
        self._count = 0
        self._earlier: list[Sent] = []
        self._lock = threading.Lock()
        self.sendings = Sendings()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def acknowledged(self) -> int:
        """Messages that were acknowledged so far."""
        return len(self.sendings.acknowledged)

    def wait_for(self, more: int = 100, within_s: float = 60) -> None:
        """Wait until that many more were acknowledged."""
        wanted = self.acknowledged + more
        wait_until(lambda: self.acknowledged >= wanted, f"{more} more messages are acknowledged", within_s)

    def end(self) -> Sendings:
        """Send no more; returns once it is known of each message, or given up, whether it was kept."""
        self._ending.set()
        self._thread.join()
        assert self._producer.flush(60) == 0, "the broker takes nothing"
        return self.sendings

    def _send_all(self) -> None:
        began = time.monotonic()
        while not self._ending.wait(0.01):
            due = int((time.monotonic() - began) * self._per_s)
            # What a dead broker holds up is not sent in one burst afterwards.
            if due - self._count > self._per_s:
                began, due = time.monotonic() - self._count / self._per_s, self._count
            while self._count < due:
                self._send(self._message())
            self._producer.poll(0)

    def _send(self, sent: Sent) -> None:
        def told(error: KafkaError | None, message: Message) -> None:
            if error:
                self.sendings.unknown.append(sent)
            else:
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                self.sendings.acknowledged[(partition, offset)] = sent

        # Zero means: the client's own clock.
        stamp = self._timestamp_ms(self._count) if self._timestamp_ms else 0
        topic = self._settings.readings_topic
        try:
            self._producer.produce(topic, sent.payload, partition=sent.partition, timestamp=stamp, on_delivery=told)
        except BufferError:
            return
        self._count += 1

    def _message(self) -> Sent:
        number = self._count
        sensor = number % SENSORS
        partition = sensor % self._settings.topic_partitions
        if number % BROKEN_EVERY == 1:
            return Sent(b'{"broken": %d' % number, partition, ())
        if number % REFUSED_EVERY == 2:
            smell = reading(f"probe-{sensor}", at=self._first_event, sensor_type="smell", value=float(number))
            return Sent(json.dumps(smell).encode(), partition, ())
        if number % REPEATED_EVERY == 3 and self._earlier:
            return self._earlier[number % len(self._earlier)]
        values = [float(number * PER_MESSAGE + i) for i in range(PER_MESSAGE)]
        readings = [
            reading(f"probe-{sensor}", at=self._first_event + timedelta(milliseconds=value), value=value)
            for value in values
        ]
        made = Sent(json.dumps(readings).encode(), partition, tuple(values))
        if len(self._earlier) < 100:
            self._earlier.append(made)
        return made
