"""Whether this process lives, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter

from api.context import Reach
from warehouse.pool import connected

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(services: Reach) -> dict[str, str]:
    """Postgres answers too; 503 while it does not."""
    async with connected(services.pool) as connection:
        await connection.fetchval("select 1")
    return {"status": "ok"}
