"""Which of the requests that a drain sends is the one to lose the answer of."""

from __future__ import annotations

# Kafka's number of the request, after the request's length.
FETCH = b"\x00\x01"


def is_commit_of_a_slice(chunk: bytes, sent: bytes) -> bool:
    """A commit by the connection that loads, not by one that only looks."""
    return b"COMMIT" in chunk and b"incoming_ranges" in sent


def is_commit_to_the_lake(chunk: bytes, _: bytes) -> bool:
    """A PUT of a table's next version."""
    return chunk.startswith(b"PUT ") and b"/_delta_log/" in chunk.partition(b"\r\n")[0]


def is_fetch(chunk: bytes, _: bytes) -> bool:
    """A request for messages."""
    return chunk[4:6] == FETCH
