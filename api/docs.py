"""The API's own documentation at /docs, with nothing fetched from elsewhere."""

from __future__ import annotations

from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

# Only its copy of Swagger UI is used.
_ASSETS = Path(fastapi_offline.__file__).parent / "static"
_REDIRECT = "/docs/oauth2-redirect"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Swagger UI."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Sensorhouse API",
        oauth2_redirect_url=_REDIRECT,
        swagger_js_url="/docs/assets/swagger-ui-bundle.js",
        swagger_css_url="/docs/assets/swagger-ui.css",
        swagger_favicon_url="/docs/assets/favicon.png",
        swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
    )


@router.get(_REDIRECT)
async def oauth2_redirect() -> HTMLResponse:
    """Where Swagger UI comes back to after a sign-in."""
    return get_swagger_ui_oauth2_redirect_html()


def mount_assets(app: FastAPI) -> None:
    """Serve Swagger UI's files."""
    app.mount("/docs/assets", StaticFiles(directory=_ASSETS), name="docs-assets")
