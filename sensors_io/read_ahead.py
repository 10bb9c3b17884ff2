"""Reading ahead: a thread reads small slices while those before are decoded, and only a few at a time."""

from __future__ import annotations

import threading
from queue import Empty, Full, Queue

from sensors_io.slices import Slice, SliceReader

# Small, so that messages are let go soon after they came; large enough that decoding them pays.
_MESSAGES = 25_000
_BYTES = 4 << 20
_AHEAD = 1
_LOOK_EVERY_S = 0.1


class ReadAhead:
    """Takes slices off a reader, which it owns, as fast as they are asked for and two more."""

    def __init__(self, reader: SliceReader, *, max_messages: int, max_bytes: int, max_age_s: float) -> None:
        self._reader, self._max_age_s = reader, max_age_s
        self._max_messages, self._max_bytes = min(max_messages, _MESSAGES), min(max_bytes, _BYTES)
        self._read: Queue[Slice | BaseException] = Queue(_AHEAD)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read ahead", daemon=True)
        self._thread.start()

    def get(self, timeout_s: float) -> Slice | None:
        """The next slice; None when none came in that time. Raises what the reader raised."""
        try:
            read = self._read.get(timeout=max(timeout_s, 0.001))
        except Empty:
            return None
        if isinstance(read, BaseException):
            raise read
        return read

    def close(self) -> None:
        """End the thread; what it has read ahead is dropped."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                read: Slice | BaseException | None = self._reader.read(
                    max_messages=self._max_messages, max_bytes=self._max_bytes, max_age_s=self._max_age_s
                )
            except BaseException as error:
                read = error
            while read is not None and not self._stopping.is_set():
                try:
                    self._read.put(read, timeout=_LOOK_EVERY_S)
                    break
                except Full:
                    continue
            if isinstance(read, BaseException):
                return
