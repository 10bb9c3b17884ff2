"""What an upload gets back: where its readings are in Kafka, signed, so that no table of receipts is needed."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

import orjson

from sensorhouse.errors import NotFound

_PREFIX = "r1"


@dataclass(frozen=True)
class Place:
    """One message of an upload: its partition, its offset and how many readings it carries."""

    partition: int
    offset: int
    count: int


@dataclass(frozen=True)
class Receipt:
    """Where every accepted reading of one upload is."""

    upload_id: UUID
    topic: str
    places: tuple[Place, ...]


def sign(receipt: Receipt, key: str) -> str:
    """The receipt as text that goes in a URL."""
    places = [[place.partition, place.offset, place.count] for place in receipt.places]
    content = _text(orjson.dumps([receipt.upload_id, receipt.topic, places]))
    return f"{_PREFIX}.{content}.{_signature(content, key)}"


def read(text: str, key: str) -> Receipt:
    """The receipt that `sign` made; raises `NotFound` for any other text."""
    prefix, _, rest = text.partition(".")
    content, _, signature = rest.partition(".")
    signed_here = hmac.compare_digest(signature.encode(), _signature(content, key).encode())
    if prefix != _PREFIX or not signed_here:
        raise NotFound("there is no such receipt")
    upload_id, topic, places = orjson.loads(urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    return Receipt(UUID(upload_id), topic, tuple(Place(*place) for place in places))


def _signature(content: str, key: str) -> str:
    # The prefix keeps receipts apart from whatever else the key signs.
    return _text(hmac.digest(key.encode(), f"receipt:{_PREFIX}.{content}".encode(), "sha256"))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
