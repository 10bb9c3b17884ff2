"""Tells a proxy in front of Dagster's UI whether who signed in here may look at it, or act in it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.context import Reach
from api.sign_in import signed_in
from sensorhouse.errors import Forbidden

# Dagster's UI has no sign-in of its own, and who may act in it can start any run.
ACT = frozenset({"operator", "admin"})
LOOK = frozenset({"viewer", "approver"})

router = APIRouter(include_in_schema=False)


@router.get("/dagster-access", status_code=204)
async def dagster_access(request: Request, services: Reach) -> Response:
    """204 with `x-may: act` or `look`; 401 for nobody, 403 for customers and devices."""
    roles = set((await signed_in(request, services)).roles)
    if not roles & (ACT | LOOK):
        raise Forbidden("Dagster's UI is for operators, approvers and viewers")
    return Response(status_code=204, headers={"x-may": "act" if roles & ACT else "look"})
