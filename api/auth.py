"""Sign-up, sign-in and users."""

from __future__ import annotations

from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import AfterValidator, ConfigDict, Field

from api import document
from api.context import Reach, Services, SignedIn, one_of
from api.fields import Email, Strict, Username, Word
from sensorhouse.errors import TooMany, Unauthenticated
from warehouse.accounts import User, create_user, find_credentials, register_customer
from warehouse.passwords import LONGEST_BYTES, SHORTEST, UNKNOWN_USER, hash_password, matches
from warehouse.pool import connected, transaction

# Two hash at a time, 200 ms each; who comes after this many would wait more than ten seconds.
LONGEST_QUEUE = 100

router = APIRouter(prefix="/auth", tags=["auth"])


def _hashable(password: str) -> str:
    if len(password.encode()) > LONGEST_BYTES:
        raise ValueError(f"a password has at most {LONGEST_BYTES} bytes")
    return password


Password = Annotated[str, Field(min_length=SHORTEST), AfterValidator(_hashable)]


class Registration(Strict):
    """Someone who wants to order."""

    username: Username
    password: Password
    email: Email | None = None

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"username": "grace", "password": "a long pass phrase"}]}
    )


class NewUser(Registration):
    """A user that an admin adds."""

    roles: list[Literal["customer", "device", "operator", "approver", "viewer", "admin"]] = Field(
        min_length=1, max_length=6
    )
    customer_id: Word | None = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"username": "gateway-2", "password": "a long pass phrase", "roles": ["device"]}]
        },
    )


class Token(Strict):
    """What to send as `Authorization: Bearer <access_token>`."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind, not a secret
    expires_in: int = Field(description="Seconds.")


@router.post("/register", status_code=201)
async def register(wanted: Registration, services: Reach) -> User:
    """Sign up as a customer, with a new customer of your own and standard limits."""
    password_hash = await _hash(services, wanted.password)
    async with transaction(services.pool) as connection:
        return await register_customer(connection, wanted.username, password_hash, wanted.email)


@router.post("/token")
async def token(form: Annotated[OAuth2PasswordRequestForm, Depends()], services: Reach) -> Token:
    """Sign in; in the demo as `ada`, `gus`, `gateway`, `olivia`, `paul` or `vera`, password `sensorhouse-demo`."""
    user = await identified(form, services)
    return Token(access_token=services.tokens.make(user.user_id), expires_in=services.tokens.good_for_s)


async def identified(form: OAuth2PasswordRequestForm, services: Services) -> User:
    """Whose username and password these are; raises `Unauthenticated`."""
    found = None
    # No username has such a character, and Postgres takes no NUL.
    if form.username.isprintable():
        async with connected(services.pool) as connection:
            found = await find_credentials(connection, form.username.lower())
    user, password_hash = found or (None, UNKNOWN_USER)
    _refuse_a_crowd(services)
    right = await to_thread.run_sync(matches, form.password, password_hash, limiter=services.hashing)
    if user is None or not right:
        raise Unauthenticated("wrong username or password")
    return user


@router.get("/me", responses=document.SIGNED_IN, openapi_extra={"x-demo-user": "ada"})
async def me(user: SignedIn) -> User:
    """Who you are signed in as."""
    return user


@router.post("/users", status_code=201)
async def add_user(wanted: NewUser, services: Reach, _admin: Annotated[User, Depends(one_of("admin"))]) -> User:
    """Add a user with roles; a `customer` orders for the `customer_id`, which must exist. Admins only."""
    password_hash = await _hash(services, wanted.password)
    async with transaction(services.pool) as connection:
        return await create_user(
            connection,
            wanted.username,
            password_hash,
            roles=wanted.roles,
            customer_id=wanted.customer_id,
            email=wanted.email,
        )


async def _hash(services: Services, password: str) -> str:
    _refuse_a_crowd(services)
    return await to_thread.run_sync(hash_password, password, limiter=services.hashing)


def _refuse_a_crowd(services: Services) -> None:
    if services.hashing.statistics().tasks_waiting >= LONGEST_QUEUE:
        raise TooMany("too many sign in at once; try again in a moment")
