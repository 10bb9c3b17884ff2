"""Receipts: where an upload's readings are by now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from api.context import Reach, one_of
from sensors_io import receipts
from sensors_io.lake import open_lake
from sensors_io.trace import trace_upload

router = APIRouter(prefix="/receipts", tags=["sensors"], dependencies=[Depends(one_of("device", "operator", "viewer"))])
# Told, not checked: whatever was not signed here is not found.
ReceiptId = Annotated[str, Path(json_schema_extra={"pattern": r"^r1\.[\w-]+\.[\w-]{43}$"})]


class Message(BaseModel):
    """One message of the upload. Null: not there yet; the readings that are not in `rows` are dead letters."""

    model_config = ConfigDict(from_attributes=True)

    partition: int
    offset: int
    readings: int = Field(description="Readings that were accepted in this message.")
    is_in_kafka: bool = Field(description="Kafka forgets what is older than its retention.")
    loaded_at: datetime | None = Field(description="When the warehouse had it.")
    run_id: str | None = Field(description="The Dagster run that drained it.")
    lake_version: int | None = Field(description="The first version of the lake's raw_readings that holds it.")
    lake_committed_at: datetime | None
    rows: int = Field(description="Readings of it in the lake.")
    is_staged: bool = Field(description="Whether all of them are among the staged readings.")
    is_in_marts: bool


class Traced(BaseModel):
    """Where an upload is."""

    upload_id: UUID
    readings: int
    is_staged: bool = Field(description="Whether everything has arrived.")
    messages: list[Message]


@router.get("/{receipt_id}")
async def where(receipt_id: ReceiptId, services: Reach) -> Traced:
    """Where the readings of one upload are by now: Kafka, warehouse, lake, staged readings, marts.

    A receipt that this service did not sign is answered with 404.
    """
    receipt = receipts.read(receipt_id, services.settings.signing_key)
    lake = open_lake(services.settings)
    found = await to_thread.run_sync(trace_upload, services.settings, lake, receipt, limiter=services.reading_lake)
    return Traced(
        upload_id=receipt.upload_id,
        readings=sum(place.count for place in receipt.places),
        is_staged=all(one.is_staged for one in found),
        messages=[Message.model_validate(one) for one in found],
    )
