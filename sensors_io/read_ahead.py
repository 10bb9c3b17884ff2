"""Reading ahead: a thread reads slices in small parts, others decode them, and only a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, Full, Queue

from sensors_io.slices import Slice, SliceReader
from warehouse.batches import Batch

# Small, so that messages are let go soon after they came; large enough that decoding them pays.
PART_MESSAGES = 25_000
PART_BYTES = 2 << 20
# Decoding is mostly Arrow's work, which leaves the interpreter to others meanwhile.
_DECODERS = 2
_AHEAD = 2
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Part:
    """A part of a slice, decoded; `ends_backlog` as the Slice had it."""

    batch: Batch
    size_bytes: int
    ends_backlog: bool


class ReadAhead:
    """Takes slices off a reader, which it owns, and decodes them, as fast as they are asked for and a few more."""

    def __init__(
        self,
        reader: SliceReader,
        decode: Callable[[Slice], Batch],
        *,
        max_messages: int,
        max_bytes: int,
        max_age_s: float,
    ) -> None:
        self._reader, self._decode, self._max_age_s = reader, decode, max_age_s
        self._max_messages, self._max_bytes = min(max_messages, PART_MESSAGES), min(max_bytes, PART_BYTES)
        self._read: Queue[Future[Part] | BaseException] = Queue(_AHEAD)
        self._stopping = threading.Event()
        self._decoders = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decode")
        self._thread = threading.Thread(target=self._run, name="read ahead", daemon=True)
        self._thread.start()

    def get(self, timeout_s: float) -> Part | None:
        """The next part; None when none came in that time. Raises what the reader or the decoder raised."""
        try:
            read = self._read.get(timeout=max(timeout_s, 0.001))
        except Empty:
            return None
        if isinstance(read, BaseException):
            raise read
        return read.result()

    def close(self) -> None:
        """End the threads; what they have read ahead is dropped."""
        self._stopping.set()
        self._thread.join()
        self._decoders.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                read = self._reader.read(
                    max_messages=self._max_messages, max_bytes=self._max_bytes, max_age_s=self._max_age_s
                )
            except BaseException as error:
                self._put(error)
                return
            if read is not None:
                self._put(self._decoders.submit(self._part, read))
                del read

    def _part(self, read: Slice) -> Part:
        return Part(self._decode(read), read.messages.size_bytes, read.ends_backlog)

    def _put(self, read: Future[Part] | BaseException) -> None:
        """Hand it over; waits until it is wanted, or nothing is any more."""
        while not self._stopping.is_set():
            try:
                self._read.put(read, timeout=_LOOK_EVERY_S)
            except Full:
                continue
            return
