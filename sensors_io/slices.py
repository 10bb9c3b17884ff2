"""A topic's log, read as slices: ranges of offsets and the messages in them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import cast

import numpy as np
import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

import sensorhouse.arrays  # noqa: F401  polars finds numpy
from sensorhouse.errors import DependencyDown, TopicRecreated
from sensors_io import kafka
from sensors_io.kafka import Topic
from sensors_io.memory import without_garbage_collection
from sensors_io.reading import JSON
from warehouse.batches import MESSAGES, Range

# The most that one call into the client returns, so that limits are looked at in between.
_BATCH = 10_000
# What a message is taken to weigh until some were seen.
_MESSAGE_BYTES = 16 << 10
_LONGEST_HEADER = 128
# Of a timestamp, which says first whose it is.
_MILLISECONDS = itemgetter(1)
# How long the broker may take to say which topic it was that a slice came from, before nothing is made of the slice.
_CONFIRM_WITHIN_S = 30.0
_CONFIRM_AGAIN_S = 0.5


class Messages:
    """Messages as columns, in order within a partition: what is wanted of each is taken out, and the message let go."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.content_types: list[str] = []
        self.keys: list[bytes | None] = []
        self.upload_ids: list[str | None] = []
        self.ends: dict[int, int] = {}
        self.size_bytes = 0
        self._partitions: list[int] = []
        self._offsets: list[int] = []
        self._stamps: list[int] = []

    def add(self, messages: Sequence[Message]) -> None:
        """Take what is wanted out of messages without an error."""
        # `map` over the class's own methods: of what is done for each message, the least that Python can.
        partitions = cast("list[int]", list(map(Message.partition, messages)))
        offsets = cast("list[int]", list(map(Message.offset, messages)))
        self._partitions += partitions
        self._offsets += offsets
        self._stamps += map(_MILLISECONDS, map(Message.timestamp, messages))
        self.values += [value or b"" for value in map(Message.value, messages)]
        self.keys += cast("list[bytes | None]", list(map(Message.key, messages)))
        self._add_headers(list(map(Message.headers, messages)))
        self.size_bytes += sum(map(len, messages))
        # Offsets rise within a partition, so that the last one stays.
        for partition, last in dict(zip(partitions, offsets, strict=True)).items():
            self.ends[partition] = max(last + 1, self.ends.get(partition, 0))

    def _add_headers(self, headers: Sequence[object]) -> None:
        # Messages that come together mostly say the same.
        if headers and headers.count(headers[0]) == len(headers):
            content_type, upload_id = self._told(headers[0])
            self.content_types += [content_type] * len(headers)
            self.upload_ids += [upload_id] * len(headers)
            return
        for content_type, upload_id in map(self._told, headers):
            self.content_types.append(content_type)
            self.upload_ids.append(upload_id)

    def frame(self) -> pl.DataFrame:
        """The columns of MESSAGES."""
        columns = (self._partitions, self._offsets, self._stamps, list(map(len, self.values)))
        return pl.DataFrame(
            [
                # By numpy, which is twice as fast with lists of whole numbers.
                pl.Series(name, np.array(column, np.int64)).cast(kind)
                for (name, kind), column in zip(MESSAGES.items(), columns, strict=True)
            ]
        )

    def _told(self, headers: object) -> tuple[str, str | None]:
        """The content type, JSON for a message without one, and the upload id, if it is printable."""
        found = {name.lower(): value for name, value in reversed(cast("list[tuple[str, object]]", headers or []))}
        content_type = _plain(found["content-type"]) if "content-type" in found else JSON
        upload_id = found.get("upload_id")
        return content_type, printable(upload_id.decode("latin-1")) if isinstance(upload_id, bytes) else None


@dataclass(frozen=True)
class Slice:
    """Messages of a topic, and the ranges of offsets that they cover, which may have holes.

    `ends_backlog`: with it, what was there when the reading began has been read.
    """

    topic: Topic
    ranges: Mapping[int, Range]
    messages: Messages
    read_s: float = 0.0
    ends_backlog: bool = False


class SliceReader:
    """Reads a topic's partitions onwards from given offsets; holds a consumer open until `close`."""

    def __init__(
        self,
        consumer: Consumer,
        client: AdminClient,
        topic: Topic,
        start: Mapping[int, int],
        *,
        backlog: Mapping[int, int] | None = None,
    ) -> None:
        """Begin at `start`; a slice that reaches `backlog`, in all partitions, ends there and waits for no more."""
        self._consumer, self._client, self._topic = consumer, client, topic
        self._next = dict(start)
        self._backlog = {p: end for p, end in (backlog or {}).items() if p in start and end > start[p]}
        self._message_bytes = _MESSAGE_BYTES
        self.lost: dict[int, int] = {}
        """Partitions whose log no longer holds the next offset, and that offset."""
        consumer.assign([TopicPartition(topic.name, partition, offset) for partition, offset in start.items()])

    @property
    def is_behind(self) -> bool:
        """Whether there is still something to read of what was there at the beginning."""
        return bool(self._backlog)

    def read(self, *, max_messages: int, max_bytes: int, max_age_s: float) -> Slice | None:
        """The next slice: ended by the first limit that is reached; None when nothing came within `max_age_s`.

        It may hold messages of another topic of the same name until `confirm` has said otherwise. Raises
        `DependencyDown` when the client gives up.
        """
        began, was_behind = time.monotonic(), self.is_behind
        read = Messages()
        with without_garbage_collection():
            self._consume(read, max_messages, max_bytes, began + max_age_s)
        ranges = {p: Range(self._next[p], end) for p, end in sorted(read.ends.items()) if end > self._next[p]}
        if not ranges:
            return None
        self._next |= {partition: covered.end for partition, covered in ranges.items()}
        if read.values:
            self._message_bytes = read.size_bytes // len(read.values) + 1
        return Slice(self._topic, ranges, read, time.monotonic() - began, was_behind and not self.is_behind)

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
                self._client.poll(_CONFIRM_AGAIN_S)

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _consume(self, read: Messages, max_messages: int, max_bytes: int, deadline: float) -> None:
        while (
            len(read.values) < max_messages
            and read.size_bytes < max_bytes
            and (left := deadline - time.monotonic()) > 0
        ):
            fitting = (max_bytes - read.size_bytes) // self._message_bytes + 1
            wanted = min(_BATCH, max_messages - len(read.values), fitting)
            got = self._consumer.consume(wanted, timeout=min(left, 0.1))
            if any(map(Message.error, got)):
                for message in got:
                    self._note(message, read.ends)
                got = [message for message in got if message.error() is None]
            read.add(got)
            if got and self._backlog and self._has_backlog(read.ends):
                return

    def _has_backlog(self, ends: Mapping[int, int]) -> bool:
        """Whether, with these ends, what was there at the beginning has been read; said once."""
        if any(max(ends.get(p, 0), self._next[p]) < end for p, end in self._backlog.items()):
            return False
        self._backlog = {}
        return True

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
            self._backlog.pop(partition, None)
        elif error.fatal() or not error.retriable():
            raise DependencyDown(f"reading {self._topic.name}: {error.str()}") from KafkaException(error)


def printable(text: str) -> str | None:
    """The text, if every database can hold it and it is no longer than a name."""
    return text if text.isprintable() and len(text) <= _LONGEST_HEADER else None


def _plain(content_type: object) -> str:
    text = content_type.decode(errors="replace") if isinstance(content_type, bytes) else str(content_type)
    return text.split(";")[0].strip().lower()
