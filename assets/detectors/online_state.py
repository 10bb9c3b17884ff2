"""What the online detector remembers: 144 bytes a series, as arrays and as bytes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# One record a series, so that a reading touches few lines of the processor's cache. A field that ends in `_seen` is a
# set of 64 cells, one bit each: the coarse contexts that this series has been in.
SERIES = np.dtype(
    [
        ("last_seen", "<i8"),  # newest event_time, in microseconds
        ("last_value", "<f8"),
        ("mean", "<f8"),  # slow
        ("value_seen", "<u8"),  # the value, from the slow mean
        ("jump_seen", "<u8"),  # the value, from the fast mean
        ("trend_seen", "<u8"),  # the fast mean, from the middle one
        ("hour_seen", "<u8"),  # hour of the day by value
        ("noise_seen", "<u8"),  # noise by middle mean
        ("refreshed", "<u8"),  # those cells of one of the five that were seen since `swept`
        ("readings", "<f4"),  # that the cells stand for
        ("interval", "<f4"),  # typical seconds between readings
        ("fast", "<f4"),  # fast mean, less the slow one
        ("middle", "<f4"),  # middle mean, less the slow one
        ("spread", "<f4"),  # typical distance from the slow mean
        ("extreme", "<f4"),  # farthest from the slow mean, slowly forgotten
        ("jump", "<f4"),  # typical distance from the fast mean
        ("trend", "<f4"),  # typical distance between fast and middle mean
        ("step", "<f4"),  # typical distance from the reading before
        ("noise", "<f4"),  # the same of late
        ("peak", "<f4"),  # highest score, fading: only what exceeds it is news
        ("raised", "<f4"),  # by how much past alarms have raised this series' threshold
        ("stay", "<f4"),  # how often a value was that of the reading before
        ("swept", "<u2"),  # the hour at which cells were forgotten last, modulo 2**16
        ("since", "<u2"),  # readings since then
        ("run", "<u2"),  # readings for which the value has not changed
        ("longest", "<u2"),  # such run until now
        ("turn", "<u2"),  # which of the five sets is refreshed: 0 at first, then 1 to 5 in turn
        ("outside", "<u1"),  # 1: the last reading was out of its limits
        ("after", "<u1"),  # readings since a spike was told, for as long as what it began may show
    ]
)
_MAGIC = b"SHod"
_VERSION = 1
_HEADER = struct.Struct("<4sHHQL")  # magic, version, bytes a series, series, checksum of what follows


class StateUnreadable(ValueError):
    """Bytes that are no state, or one of another version: begin anew, and say so."""


@dataclass(frozen=True)
class State:
    """The series of one Kafka partition: their ids, ascending, and a record of `SERIES` for each."""

    series: Ints
    records: NDArray[np.void]

    @classmethod
    def empty(cls) -> State:
        """Of a partition of which nothing was read."""
        return cls(np.empty(0, np.int64), np.empty(0, SERIES))

    def __len__(self) -> int:
        return len(self.series)

    def grown(self, series: Ints) -> State:
        """A copy that also has these series, of which nothing was read yet."""
        if not len(series):
            return State(self.series, self.records.copy())
        new = np.setdiff1d(series, self.series)
        at = np.searchsorted(self.series, new)
        return State(np.insert(self.series, at, new), np.insert(self.records, at, np.zeros(len(new), SERIES)))

    def to_bytes(self) -> bytes:
        """As bytes, the same for the same state."""
        body = self.series.astype("<i8").tobytes() + self.records.tobytes()
        return _HEADER.pack(_MAGIC, _VERSION, SERIES.itemsize, len(self), zlib.crc32(body)) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> State:
        """What `to_bytes` wrote; anything else is refused as `StateUnreadable`."""
        if len(data) < _HEADER.size:
            raise StateUnreadable(f"{len(data)} bytes are too few for a state")
        magic, version, itemsize, count, checksum = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise StateUnreadable(f"a state starts with {_MAGIC!r}, not {magic!r}")
        if (version, itemsize) != (_VERSION, SERIES.itemsize):
            raise StateUnreadable(f"state of version {version}, {itemsize} bytes a series: known is {_VERSION}")
        if len(data) != _HEADER.size + count * (8 + itemsize):
            raise StateUnreadable(f"{len(data)} bytes can't be the state of {count} series")
        if zlib.crc32(data[_HEADER.size :]) != checksum:
            raise StateUnreadable("the state's bytes are not those that were written")
        series = np.frombuffer(data, "<i8", count, _HEADER.size).astype(np.int64)
        records = np.frombuffer(data, SERIES, count, _HEADER.size + 8 * count).copy()
        return cls(series, records)
