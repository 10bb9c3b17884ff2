"""Order events as bytes and as columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sensors_io.reading import short

ORDER_EVENT = pl.Schema(
    {
        "event_id": pl.String(),
        "order_id": pl.String(),
        "version": pl.Int32(),
        "type": pl.String(),
        "status": pl.String(),
        "customer_id": pl.String(),
        "sku": pl.String(),
        "quantity": pl.Int64(),
        "reason": pl.String(),
        "actor": pl.String(),
        "occurred_at": pl.Datetime("us", "UTC"),
    }
)

Word = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]


class OrderEvent(BaseModel):
    """One event, as the outbox relay publishes it: flat, one JSON object a message."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    order_id: UUID
    version: int = Field(ge=1, le=2**31 - 1)
    type: Word
    status: Word
    occurred_at: AwareDatetime
    customer_id: Word
    sku: Word
    quantity: int = Field(ge=1, le=2**31 - 1)
    reason: Text | None = None
    actor: Word | None = None
    requested_for: date | None = None
    notes: Text | None = None
    policy_version: Word | None = None
    created_at: datetime | None = None


_EVENT = TypeAdapter(OrderEvent)


def decode(messages: Sequence[bytes]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events (`message`, its place in the sequence, and ORDER_EVENT), and the rest (`message`, `reason`)."""
    events: list[dict[str, Any]] = []
    rejected: list[tuple[int, str]] = []
    # Orders come by the hundred, readings by the million: here one by one is fast enough.
    for at, message in enumerate(messages):
        try:
            event = _EVENT.validate_json(message)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            rejected.append((at, short(f"not an order event: {where}: {first['msg']}".replace(": :", ":"))))
            continue
        ids = {"event_id": str(event.event_id), "order_id": str(event.order_id)}
        events.append(event.model_dump() | ids | {"message": at})
    schema = {"message": pl.UInt32(), **ORDER_EVENT}
    return (
        pl.DataFrame(events, schema=schema, orient="row"),
        pl.DataFrame(rejected, schema={"message": pl.UInt32, "reason": pl.String}, orient="row"),
    )
