"""Signing in with a browser: a form, and a cookie that holds the token."""

from __future__ import annotations

from contextvars import ContextVar
from html import escape
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.security import OAuth2PasswordRequestForm
from starlette.datastructures import URL
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api import auth
from api.context import Reach, Services
from api.problems import problem
from sensorhouse.errors import DependencyDown, Refused, Unauthenticated
from warehouse.accounts import User

COOKIE = "sensorhouse_token"
# Who looks at a live page, for what is shown of it; null where no sign-in is asked for.
viewer: ContextVar[User | None] = ContextVar("viewer", default=None)

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in · Sensorhouse</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/dashboard.css">
</head>
<body>
<main class="sign-in">
<h1>Sensorhouse</h1>
<form method="post" action="/sign-in">
{said}
<input type="hidden" name="onward" value="{onward}">
<label>Username <input name="username" autocomplete="username" autocapitalize="none" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button>
</form>
</main>
</body>
</html>"""

router = APIRouter(include_in_schema=False)


class Gate:
    """ASGI: lets through who is signed in; sends a browser that opens the page to the form, refuses all else."""

    def __init__(self, inner: ASGIApp, app: FastAPI) -> None:
        self._inner, self._app = inner, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services: Services = self._app.state.services
        try:
            user = await signed_in(HTTPConnection(scope), services)
        except Unauthenticated as error:
            answer = (
                RedirectResponse(_way_in(HTTPConnection(scope).url), 303)
                if _is_page(scope["path"])
                else problem(scope, error.status, str(error), title=error.title)
            )
            await answer(scope, receive, send)
        except DependencyDown:
            answer = problem(scope, 503, "who you are can't be looked up now; try again", headers={"retry-after": "2"})
            await answer(scope, receive, send)
        else:
            seen_by = viewer.set(user)
            try:
                await self._inner(scope, receive, send)
            finally:
                viewer.reset(seen_by)


@router.get("/sign-in")
async def show_form(onward: str = "/") -> HTMLResponse:
    """The form; `onward` is the page that was asked for."""
    return _form(onward)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    services: Reach,
    onward: Annotated[str, Form()] = "/",
) -> Response:
    """Check the password; on to the page that was asked for, or the form again with the reason."""
    try:
        user = await auth.identified(form, services)
    except Refused as error:
        return _form(onward, str(error), error.status)
    answer = RedirectResponse(onward if _is_page(onward) else "/", 303)
    answer.set_cookie(
        COOKIE,
        services.tokens.make(user.user_id, services.tokens.signed_in_for_s),
        max_age=services.tokens.signed_in_for_s,
        httponly=True,
        samesite="strict",
        secure=_is_https(request.url),
    )
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> RedirectResponse:
    """Forget the cookie."""
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_https(request.url))
    return answer


async def signed_in(connection: HTTPConnection, services: Services) -> User:
    """Whose cookie this is; raises `Unauthenticated`."""
    token = connection.cookies.get(COOKIE)
    if token is None:
        raise Unauthenticated("sign in at /sign-in")
    return await services.user(services.tokens.read(token))


def _is_page(path: str) -> bool:
    """Whether it leads to one of our own pages, and nowhere else."""
    return path == "/" or path.startswith(("/live/", "/dagster"))


def _way_in(url: URL) -> str:
    asked = f"{url.path}?{url.query}" if url.query else url.path
    return "/sign-in" if asked == "/" else f"/sign-in?onward={quote(asked, safe='')}"


def _form(onward: str, said: str = "", status: int = 200) -> HTMLResponse:
    message = f'<p role="alert" class="said">{escape(said)}</p>' if said else ""
    content = _PAGE.format(said=message, onward=escape(onward))
    return HTMLResponse(content, status, {"cache-control": "no-store"})


def _is_https(url: URL) -> bool:
    return url.scheme == "https"
