"""Readings come in: decoded, judged, split by sensor and given to Kafka before the answer is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4, uuid5

import orjson
import polars as pl
from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, Field

from api import document, measures
from api.context import Reach, one_of
from api.problems import problem
from sensorhouse.errors import Invalid, TooLarge, UnsupportedCoding
from sensorhouse.settings import Settings
from sensors_io import receipts
from sensors_io.codecs import decode_upload
from sensors_io.compression import CODINGS, expanded
from sensors_io.publisher import Headers
from sensors_io.reading import ARROW, JSON, NDJSON
from sensors_io.receipts import Place, Receipt
from sensors_io.uploads import UploadMessage, split
from sensors_io.validation import judge
from warehouse.accounts import User

SCHEMA = "readings.v1"
# Upload ids made from an Idempotency-Key; any fixed number will do.
_NAMESPACE = UUID("6c1f3f0e-6f0e-4c39-9b64-3a4c1f6f6f5e")
# Of more refused readings an answer tells the number only: it must not be larger than the upload.
MOST_REJECTED = 1_000

router = APIRouter(prefix="/sensors", tags=["sensors"])
Sender = Annotated[User, Depends(one_of("device", "operator"))]


@dataclass(frozen=True)
class Body:
    """What a client sent, and what it says that it is."""

    content: bytes
    media_type: str
    coding: str


class Rejected(BaseModel):
    """A reading that was not taken: its place in the body, from 0, and why."""

    index: int
    reason: str


class Accepted(BaseModel):
    """Every accepted reading is durable; the receipt says where."""

    receipt_id: str
    accepted: int = Field(description="How many readings were taken.")
    rejected_count: int = Field(description="How many were not.")
    rejected: list[Rejected] = Field(description=f"The first {MOST_REJECTED:,} of them.")


_READING = {
    "sensor_id": "tmp-0001",
    "sensor_type": "temperature",
    "metric": "temperature",
    "event_time": "2026-01-15T08:30:00Z",
    "value": 71.3,
    "unit": "F",
}
_BODY = {
    "required": True,
    "content": {
        JSON: {
            # Each reading is judged alone, so that one that is not as it should be does not make the body wrong.
            "schema": {
                "type": "object",
                "properties": {"readings": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
                "required": ["readings"],
            },
            "example": {"readings": [_READING, {**_READING, "event_time": "2026-01-15T08:31:00Z", "quality": 1}]},
        },
        NDJSON: {
            "schema": {"type": "string", "description": f"A reading a line, each `{orjson.dumps(_READING).decode()}`."}
        },
        ARROW: {"schema": {"type": "string", "format": "binary"}},
    },
}


@router.post(
    "/data",
    status_code=202,
    response_model=Accepted,
    responses=document.UPLOADED,
    openapi_extra={"requestBody": _BODY, "x-demo-user": "gateway"},
)
async def upload(
    request: Request,
    user: Sender,
    services: Reach,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
    content_encoding: Annotated[str, Header(json_schema_extra={"enum": ["identity", *CODINGS]})] = "identity",
) -> Response:
    """Take readings: 202 once Kafka has the good ones on every replica, with the others named in `rejected`.

    A body may be compressed (`Content-Encoding`); it counts as what it expands to.

    A body that can't be read as a whole, or of which no reading can be taken, is refused with 422 (then `rejected` is
    a member of the problem document). On 503 it is unknown what was kept: send the same again, with the same
    Idempotency-Key.
    """
    body = Body(await request.body(), request.headers.get("content-type", JSON), content_encoding)
    topic = services.settings.readings_topic
    known_types = await services.sensor_types()
    partitions = await services.publisher.partition_count(topic)
    try:
        messages, rejected = await to_thread.run_sync(
            _prepare, body, services.settings, known_types, partitions, limiter=services.decoding
        )
    except UnsupportedCoding as error:
        accepted_codings = {"accept-encoding": ", ".join(CODINGS)}
        return problem(request.scope, error.status, str(error), title=error.title, headers=accepted_codings)
    del body
    measures.readings_rejected.inc(rejected.height)
    if not messages:
        detail = "none of the readings can be taken" if rejected.height else "there are no readings in the body"
        return problem(request.scope, 422, detail, title=Invalid.title, **_told(rejected))
    upload_id = uuid5(_NAMESPACE, f"{user.user_id}:{idempotency_key}") if idempotency_key else uuid4()
    headers = _headers(upload_id, request.scope["traceparent"])
    delivered = await services.publisher.deliver(topic, messages, headers)
    accepted = sum(message.count for message in messages)
    measures.readings_accepted.inc(accepted)
    places = (Place(at.partition, at.offset, sent.count) for sent, at in zip(messages, delivered, strict=True))
    receipt = Receipt(upload_id, topic, tuple(places))
    answer = {
        "receipt_id": receipts.sign(receipt, services.settings.signing_key),
        "accepted": accepted,
        **_told(rejected),
    }
    return Response(orjson.dumps(answer), 202, media_type=JSON)


def _prepare(
    body: Body, settings: Settings, known_types: frozenset[str], partitions: int
) -> tuple[list[UploadMessage], pl.DataFrame]:
    """The messages to send, and `index` and `reason` of the readings that can't be, in the order of the body."""
    content = expanded(body.content, body.coding, most_bytes=settings.max_body_bytes)
    decoded = decode_upload(content, body.media_type)
    count, most = decoded.readings.height + decoded.rejected.height, settings.max_upload_readings
    if count > most:
        raise TooLarge(f"{count:,} readings in one upload; at most {most:,} are taken: send them in parts")
    good, bad = judge(decoded.readings, sensor_types=known_types, seen_at=datetime.now(UTC))
    rejected = decoded.rejected.select("index", "reason")
    if bad.height:
        rejected = pl.concat([rejected, bad.select("index", "reason")])
    return split(good, partitions) if good.height else [], rejected.sort("index")


def _told(rejected: pl.DataFrame) -> dict[str, Any]:
    """The members of an answer that tell of refused readings: all counted, the first ones named."""
    named = orjson.Fragment(rejected.head(MOST_REJECTED).write_json())
    return {"rejected_count": rejected.height, "rejected": named}


def _headers(upload_id: UUID, traceparent: str) -> Headers:
    return [("content-type", ARROW), ("upload_id", str(upload_id)), ("schema", SCHEMA), ("traceparent", traceparent)]
