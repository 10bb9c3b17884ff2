"""A topic's log, read as slices: ranges of offsets and the messages in them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from sensorhouse.errors import DependencyDown, TopicRecreated
from sensors_io import kafka
from sensors_io.kafka import Topic
from sensors_io.reading import JSON
from warehouse.batches import MESSAGES, Range

# The most that one call into the client returns, so that limits are looked at in between.
_BATCH = 10_000
# What a message is taken to weigh until some were seen.
_MESSAGE_BYTES = 16 << 10
# How long the broker may take to say which topic it was that a slice came from, before nothing is made of the slice.
_CONFIRM_WITHIN_S = 30.0
_CONFIRM_AGAIN_S = 0.5


@dataclass(frozen=True)
class Slice:
    """`ranges` is what the messages cover; `messages` has the columns of MESSAGES, `values` and `content_types` are
    in step with it, in order within a partition.
    """

    topic: Topic
    ranges: Mapping[int, Range]
    messages: pl.DataFrame
    values: Sequence[bytes]
    content_types: Sequence[str]
    read_s: float = 0.0

    @property
    def size_bytes(self) -> int:
        """Bytes of the messages' values."""
        return int(self.messages.get_column("bytes").sum())


class SliceReader:
    """Reads a topic's partitions onwards from given offsets; holds a consumer open until `close`."""

    def __init__(self, consumer: Consumer, client: AdminClient, topic: Topic, start: Mapping[int, int]) -> None:
        self._consumer, self._client, self._topic = consumer, client, topic
        self._next = dict(start)
        self._message_bytes = _MESSAGE_BYTES
        self.lost: dict[int, int] = {}
        """Partitions whose log no longer holds the next offset, and that offset."""
        consumer.assign([TopicPartition(topic.name, partition, offset) for partition, offset in start.items()])

    def read(self, *, max_messages: int, max_bytes: int, max_age_s: float) -> Slice | None:
        """The next slice: ended by the first limit that is reached; None when nothing came within `max_age_s`.

        It may hold messages of another topic of the same name until `confirm` has said otherwise. Raises
        `DependencyDown` when the client gives up.
        """
        began = time.monotonic()
        messages, ends = self._consume(max_messages, max_bytes, began + max_age_s)
        frame = _frame(messages)
        for partition, last in frame.group_by("partition").agg(pl.col("offset").max()).iter_rows():
            ends[partition] = max(last + 1, ends.get(partition, 0))
        ranges = {p: Range(self._next[p], end) for p, end in sorted(ends.items()) if end > self._next[p]}
        if not ranges:
            return None
        self._next |= {partition: covered.end for partition, covered in ranges.items()}
        values = [value or b"" for value in map(Message.value, messages)]
        read = Slice(self._topic, ranges, frame, values, _content_types(messages), time.monotonic() - began)
        if messages:
            self._message_bytes = read.size_bytes // len(messages) + 1
        return read

    def confirm(self) -> None:
        """See that what was read until now was this topic's: the client knows a topic by its name alone.

        An id that is still the same afterwards was the same while it was read, as no id comes back. Raises
        `TopicRecreated` when it is another, `DependencyDown` when the broker does not say for half a minute.
        """
        give_up_at = time.monotonic() + _CONFIRM_WITHIN_S
        while True:
            try:
                if kafka.is_same(self._client, self._topic):
                    return
                raise TopicRecreated(self._topic.name, was=self._topic.id)
            except DependencyDown:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(_CONFIRM_AGAIN_S)

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _consume(self, max_messages: int, max_bytes: int, deadline: float) -> tuple[list[Message], dict[int, int]]:
        """Messages up to the first limit, and where partitions end that told so."""
        messages: list[Message] = []
        ends: dict[int, int] = {}
        size = 0
        while len(messages) < max_messages and size < max_bytes and (left := deadline - time.monotonic()) > 0:
            fitting = (max_bytes - size) // self._message_bytes + 1
            wanted = min(_BATCH, max_messages - len(messages), fitting)
            got = self._consumer.consume(wanted, timeout=min(left, 0.1))
            if any(error is not None for error in map(Message.error, got)):
                for message in got:
                    self._note(message, ends)
                got = [message for message in got if message.error() is None]
            messages += got
            size += sum(map(len, got))
        return messages, ends

    def _note(self, message: Message, ends: dict[int, int]) -> None:
        error = message.error()
        if error is None:
            return
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            # The log's end, which lies after the last message where a transaction was aborted or marked.
            partition = cast("int", message.partition())
            ends[partition] = max(cast("int", message.offset()), ends.get(partition, 0))
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001
            partition = cast("int", message.partition())
            self.lost[partition] = self._next[partition]
        elif error.fatal() or not error.retriable():
            raise DependencyDown(f"reading {self._topic.name}: {error.str()}") from KafkaException(error)


def _frame(messages: Sequence[Message]) -> pl.DataFrame:
    # `map` over the class's own methods: of what is done for each message, the least that Python can.
    stamps = [stamp for _, stamp in map(Message.timestamp, messages)]
    columns: dict[str, Sequence[object]] = {
        "partition": list(map(Message.partition, messages)),
        "offset": list(map(Message.offset, messages)),
        "ingested_at": stamps,
        "bytes": list(map(len, messages)),
    }
    return pl.DataFrame(columns, schema={**MESSAGES, "ingested_at": pl.Int64()}).cast(MESSAGES)


def _content_types(messages: Sequence[Message]) -> list[str]:
    return [JSON if headers is None else _content_type(headers) for headers in map(Message.headers, messages)]


def _content_type(headers: object) -> str:
    """The header's, in lower case and without parameters; JSON for a message without one."""
    for name, value in cast("list[tuple[str, object]]", headers):
        if name.lower() == "content-type":
            text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
            return text.split(";")[0].strip().lower()
    return JSON
