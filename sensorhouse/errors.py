"""Every error that Sensorhouse raises by name, as one tree that says what happens next.

SensorhouseError
├── Refused                 a client asked for what can't be done; the status is the error's own, nothing was kept
│   ├── KeyMissing          400  name the request with an Idempotency-Key
│   ├── Unauthenticated     401  sign in (again)
│   ├── Forbidden           403  the role or the owner is another
│   ├── NotFound            404  there is none, or not for this user
│   ├── Conflict            409  the thing has moved on; read it again
│   │   └── KeyTaken             the same request is under way; send it again for its answer
│   ├── Outdated            412  the version in If-Match is no longer the newest; read it again
│   ├── TooLarge            413  send less at once
│   ├── UnsupportedType     415  send one of the named content types
│   ├── UnsupportedCoding   415  send it in one of the named codings, or in none
│   ├── Invalid             422  mend the named fields
│   │   └── KeyReused            the key named another request before; take a new one
│   ├── VersionMissing      428  say in If-Match which version is meant
│   ├── TooMany             429  too many at once; wait and send it again
│   └── Overloaded          503  the queue is full; wait and send it again
├── DependencyDown          503  a server did not answer; unknown whether it was kept: retry with the same key
├── DrainStopped            the drain run ends; nothing was lost, and what happens next differs:
│   ├── Fenced              another drain took over; this one ends cleanly
│   ├── OffsetGap           a slice starts after the table's offset: refused, the run fails
│   ├── MarkMissing         a table has rows but no offset: a person decides
│   ├── LogTruncated        Kafka no longer holds the next offset: that partition waits for a person
│   └── TopicRecreated      the topic was deleted and made anew: this drain ends, the next begins with the new one
└── Misconfigured           told to whoever started the command, exit status 2
    ├── SettingMissing      a setting without a default is empty
    ├── PolicyUnusable      a policy's file has something to mend; no rule of it is applied
    ├── DashboardsUnusable  a dashboard's file has something to mend, or Superset refuses it; nothing of it was kept
    ├── PortTaken           another program listens on a port of the stack
    ├── PartMissing         a program that a part needs is not there and could not be fetched
    └── PartDied            a part ended before it answered
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class SensorhouseError(Exception):
    """The root: whatever Sensorhouse raises by name."""


class Refused(SensorhouseError):
    """A request that is not carried out; `str()` is safe to show to the client."""

    status = 400
    title = "Refused"


class KeyMissing(Refused):
    """A request that may only be sent with an Idempotency-Key, without one."""

    title = "Idempotency-Key is missing"


class Unauthenticated(Refused):
    """No token, or one that is expired or forged."""

    status = 401
    title = "Sign in"


class Forbidden(Refused):
    """The signed-in user may not do this."""

    status = 403
    title = "Not allowed"


class NotFound(Refused):
    """No such thing, or none that this user may know of."""

    status = 404
    title = "Not found"


class Conflict(Refused):
    """The thing is no longer in the state that the request needs."""

    status = 409
    title = "Conflict"


class KeyTaken(Conflict):
    """Another request with the same Idempotency-Key is under way."""

    title = "A request is outstanding for this Idempotency-Key"


class Outdated(Refused):
    """The thing has a newer version than the one the request was made for."""

    status = 412
    title = "Outdated"


class TooLarge(Refused):
    """More at once than is taken."""

    status = 413
    title = "Too large"


class UnsupportedType(Refused):
    """A content type that nothing here decodes."""

    status = 415
    title = "Unsupported content type"


class UnsupportedCoding(Refused):
    """A content coding that nothing here expands."""

    status = 415
    title = "Unsupported content coding"


class Invalid(Refused):
    """Values that can't be right; the message names them."""

    status = 422
    title = "Invalid"


class KeyReused(Invalid):
    """An Idempotency-Key that stood for another request before."""

    title = "Idempotency-Key is already used"


class VersionMissing(Refused):
    """A change that must say which version it is meant for, and doesn't."""

    status = 428
    title = "If-Match is missing"


class TooMany(Refused):
    """More requests at once than this part takes."""

    status = 429
    title = "Too many at once"


class Overloaded(Refused):
    """More waits already than can be done in time; nothing was begun."""

    status = 503
    title = "Overloaded"


class DependencyDown(SensorhouseError):
    """A server that a request needs did not answer in time."""


class DrainStopped(SensorhouseError):
    """A drain that can't go on."""


class Fenced(DrainStopped):
    """Another writer moved a table's offset since it was read."""


class _At(DrainStopped):
    def __init__(self, topic: str, partition: int, what: str) -> None:
        super().__init__(f"{topic}[{partition}]: {what}")
        self.topic, self.partition = topic, partition


class OffsetGap(_At):
    """A slice that starts after the first offset that a table has not got."""

    def __init__(self, topic: str, partition: int, *, expected: int, got: int) -> None:
        super().__init__(topic, partition, f"the table ends at offset {expected}, the slice starts at {got}")


class MarkMissing(_At):
    """A table that holds rows of a partition but not the offset they end at."""

    def __init__(self, topic: str, partition: int, table: str) -> None:
        super().__init__(topic, partition, f"{table} holds rows of it but no offset; it was restored or edited by hand")


class LogTruncated(_At):
    """Kafka's log starts after, or ends before, the next offset to read."""

    def __init__(self, topic: str, partition: int, *, next_offset: int, low: int, high: int) -> None:
        super().__init__(topic, partition, f"next is offset {next_offset}, but the log holds {low} to {high}")


class TopicRecreated(DrainStopped):
    """A topic whose name means another one by now; what was read last is dropped, it may be either's."""

    def __init__(self, topic: str, *, was: str) -> None:
        super().__init__(f"{topic} was deleted and made anew: it is no longer {was}")
        self.topic = topic


class Misconfigured(SensorhouseError):
    """Something that whoever starts the command can put right."""


class SettingMissing(Misconfigured):
    """A setting that has no default and was not given."""

    def __init__(self, name: str, remedy: str) -> None:
        super().__init__(f"SENSORHOUSE_{name} is not set: {remedy}")


class PolicyUnusable(Misconfigured):
    """A policy's file in which something is to be mended, each thing a line."""

    def __init__(self, path: Path, to_mend: Sequence[str]) -> None:
        super().__init__(f"the policy in {path} can't be used:" + "".join(f"\n  {one}" for one in to_mend))


class DashboardsUnusable(Misconfigured):
    """Files of dashboards that don't fit together, or that Superset refused."""


class PortTaken(Misconfigured):
    """A port of the stack on which another program listens."""

    def __init__(self, part: str, port: int, setting: str) -> None:
        super().__init__(
            f"port {port}, meant for {part}, is taken by another program: end that, or set SENSORHOUSE_{setting}"
        )


class PartMissing(Misconfigured):
    """A program that a part of the stack needs."""


class PartDied(Misconfigured):
    """A part of the stack that ended before it was ready."""
