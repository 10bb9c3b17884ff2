"""Users, and the customers they order for."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from sensorhouse.errors import Conflict, DependencyDown, Invalid
from warehouse.passwords import hash_password

if TYPE_CHECKING:
    from warehouse.pool import Connection

ROLES = ("customer", "device", "operator", "approver", "viewer", "admin")
DEMO_PASSWORD = "sensorhouse-demo"  # noqa: S105 - it is published with the demo

# What a customer may buy without being asked: per order, in 30 days, and above which an approver decides.
STANDARD_LIMITS = (200, 1000, 100)
PLUS_LIMITS = (1000, 5000, 500)


@dataclass(frozen=True)
class User:
    """Somebody who can sign in; `customer_id` is whom they order for, if they are a customer."""

    user_id: UUID
    username: str
    email: str | None
    roles: tuple[str, ...]
    customer_id: str | None
    created_at: datetime


def _user(row: asyncpg.Record) -> User:
    return User(
        user_id=row["user_id"],
        username=row["username"],
        email=row["email"],
        roles=tuple(row["roles"]),
        customer_id=row["customer_id"],
        created_at=row["created_at"],
    )


async def find_user(connection: Connection, user_id: UUID) -> User | None:
    """The user of that id, unless it was deleted."""
    row = await connection.fetchrow("select * from users where user_id = $1", user_id)
    return _user(row) if row else None


async def find_credentials(connection: Connection, username: str) -> tuple[User, str] | None:
    """The user of that name with their password's hash."""
    row = await connection.fetchrow("select * from users where username = $1", username)
    return (_user(row), row["password_hash"]) if row else None


async def create_customer(
    connection: Connection,
    customer_id: str,
    *,
    name: str,
    tier: str = "standard",
    limits: tuple[int, int, int] = STANDARD_LIMITS,
    forbidden_skus: Sequence[str] = (),
) -> None:
    """Add a customer; leaves one of that id as it is."""
    await connection.execute(
        """
        insert into customers (
            customer_id, name, tier, region,
            max_quantity_per_order, max_quantity_30_days, approval_above, forbidden_skus
        ) values ($1, $2, $3, 'unassigned', $4, $5, $6, $7)
        on conflict do nothing
        """,
        customer_id,
        name,
        tier,
        *limits,
        forbidden_skus,
    )


async def create_user(
    connection: Connection,
    username: str,
    password_hash: str,
    *,
    roles: Sequence[str],
    customer_id: str | None = None,
    email: str | None = None,
) -> User:
    """Add a user.

    Raises `Conflict` when the name is taken, `Invalid` when there is no such customer or a customer has none. Either
    leaves a transaction it is called in unusable.
    """
    if "customer" in roles and customer_id is None:
        raise Invalid("a user with the role customer needs a customer_id")
    try:
        rows = await connection.fetch(
            """
            insert into users (username, password_hash, email, roles, customer_id)
            values ($1, $2, $3, $4, $5)
            returning *
            """,
            username,
            password_hash,
            email,
            roles,
            customer_id,
        )
    except asyncpg.UniqueViolationError as error:
        raise Conflict(f"the username {username} is taken") from error
    except asyncpg.ForeignKeyViolationError as error:
        raise Invalid(f"there is no customer {customer_id}") from error
    return _user(rows[0])


async def register_customer(connection: Connection, username: str, password_hash: str, email: str | None) -> User:
    """Add a user who orders for a new customer of their own; the caller's transaction keeps both or none."""
    # Never the bare name: whoever registers as `acme` must not become the customer acme.
    customer_id = f"{username}-{secrets.token_hex(4)}"
    await create_customer(connection, customer_id, name=username)
    return await create_user(
        connection, username, password_hash, roles=["customer"], customer_id=customer_id, email=email
    )


def add_user(url: str, username: str, password: str, roles: Sequence[str], customer_id: str | None = None) -> None:
    """Add a user from outside an event loop: how the first admin comes to be."""

    async def add(connection: Connection) -> None:
        await create_user(connection, username, hash_password(password), roles=roles, customer_id=customer_id)

    asyncio.run(_in_transaction(url, add))


def seed_demo(url: str) -> None:
    """Make the demo's customers and users, all with `DEMO_PASSWORD`; those that are there stay as they are."""
    asyncio.run(_in_transaction(url, _seed))


async def _seed(connection: Connection) -> None:
    await create_customer(connection, "acme", name="Acme Machines", tier="plus", limits=PLUS_LIMITS)
    await create_customer(connection, "globex", name="Globex", forbidden_skus=["VIB-100"])
    users = {
        "ada": ("customer", "acme"),
        "gus": ("customer", "globex"),
        "gateway": ("device", None),
        "olivia": ("operator", None),
        "paul": ("approver", None),
        "vera": ("viewer", None),
    }
    known = {row["username"] for row in await connection.fetch("select username from users")}
    missing = users.keys() - known
    # One hash for all: it costs 200 ms, and the password is published anyway.
    password_hash = hash_password(DEMO_PASSWORD) if missing else ""
    for username in sorted(missing):
        role, customer_id = users[username]
        await create_user(connection, username, password_hash, roles=[role], customer_id=customer_id)


async def _in_transaction(url: str, work: Callable[[Connection], Awaitable[None]]) -> None:
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except OSError as error:
        raise DependencyDown(f"Postgres does not answer: {error}") from error
    try:
        async with connection.transaction():
            await work(connection)
    finally:
        await connection.close()
