"""The empty POST: FastAPI as lean as it is, with the body of an order and nothing done with it."""

from __future__ import annotations

from fastapi import FastAPI, Response

from api.orders import Wanted


def create_app() -> FastAPI:
    """One path, which reads an order and answers 201 with an empty object."""
    app = FastAPI(openapi_url=None)

    @app.post("/orders/")
    async def take(_wanted: Wanted) -> Response:
        return Response(b"{}", 201, media_type="application/json")

    return app
