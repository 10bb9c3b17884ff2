"""A topic's log, read as slices: ranges of offsets and the messages in them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from sensorhouse.errors import DependencyDown
from sensors_io.kafka import Topic
from sensors_io.reading import JSON
from warehouse.batches import Range

MESSAGE = pl.Schema(
    {
        "partition": pl.Int32(),
        "offset": pl.Int64(),
        "ingested_at": pl.Datetime("ms", "UTC"),
        "content_type": pl.String(),
        "value": pl.Binary(),
    }
)
# The most that one call into the client returns, so that limits are looked at in between.
_BATCH = 5_000
# What a message is taken to weigh until some were seen.
_MESSAGE_BYTES = 16 << 10


@dataclass(frozen=True)
class Slice:
    """`messages` has the columns of MESSAGE, in order within a partition; `ranges` is what they cover."""

    topic: Topic
    ranges: Mapping[int, Range]
    messages: pl.DataFrame

    @property
    def size_bytes(self) -> int:
        """Bytes of the messages' values."""
        return int(self.messages.get_column("value").bin.size().sum())


class SliceReader:
    """Reads a topic's partitions onwards from given offsets; holds a consumer open until `close`."""

    def __init__(self, consumer: Consumer, topic: Topic, start: Mapping[int, int]) -> None:
        self._consumer = consumer
        self._topic = topic
        self._next = dict(start)
        self._message_bytes = _MESSAGE_BYTES
        self.lost: dict[int, int] = {}
        """Partitions whose log no longer holds the next offset, and that offset."""
        consumer.assign([TopicPartition(topic.name, partition, offset) for partition, offset in start.items()])

    def read(self, *, max_messages: int, max_bytes: int, max_age_s: float) -> Slice | None:
        """The next slice: ended by the first limit that is reached; None when nothing came within `max_age_s`.

        Raises `DependencyDown` when the client gives up.
        """
        deadline = time.monotonic() + max_age_s
        messages: list[Message] = []
        ends: dict[int, int] = {}
        size = 0
        while len(messages) < max_messages and size < max_bytes:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            fitting = (max_bytes - size) // self._message_bytes + 1
            wanted = min(_BATCH, max_messages - len(messages), fitting)
            for message in self._consumer.consume(wanted, timeout=min(left, 0.1)):
                if message.error() is None:
                    messages.append(message)
                    size += len(message.value() or b"")
                    ends[_partition(message)] = _offset(message) + 1
                else:
                    self._note(message, ends)
        if messages:
            self._message_bytes = size // len(messages) + 1
        ranges = {p: Range(self._next[p], end) for p, end in sorted(ends.items()) if end > self._next[p]}
        if not ranges:
            return None
        self._next |= {partition: covered.end for partition, covered in ranges.items()}
        return Slice(self._topic, ranges, _frame(messages))

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _note(self, message: Message, ends: dict[int, int]) -> None:
        error = message.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            # The log's end, which lies after the last message where a transaction was aborted or marked.
            partition = _partition(message)
            ends[partition] = max(_offset(message), ends.get(partition, 0))
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001
            self.lost[_partition(message)] = self._next[_partition(message)]
        elif error.fatal() or not error.retriable():
            raise DependencyDown(f"reading {self._topic.name}: {error.str()}") from KafkaException(error)


def _frame(messages: list[Message]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "partition": [_partition(message) for message in messages],
            "offset": [_offset(message) for message in messages],
            "ingested_at": [message.timestamp()[1] for message in messages],
            "content_type": [_content_type(message) for message in messages],
            "value": [message.value() or b"" for message in messages],
        },
        schema={**MESSAGE, "ingested_at": pl.Int64()},
    ).cast(MESSAGE)


def _partition(message: Message) -> int:
    return cast("int", message.partition())


def _offset(message: Message) -> int:
    return cast("int", message.offset())


def _content_type(message: Message) -> str:
    """The header's, in lower case and without parameters; JSON for a message without one."""
    for name, value in cast("list[tuple[str, object]]", message.headers() or []):
        if name.lower() == "content-type":
            text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
            return text.split(";")[0].strip().lower()
    return JSON
