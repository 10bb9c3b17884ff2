"""Who orders in the benchmark: customers with generous limits, their users, and a device, with their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from api.tokens import Tokens
from sensorhouse.settings import Settings
from warehouse.database import Connection, connect

CUSTOMERS = 200
USERS = 500
# Looks like bcrypt's, and is nobody's password: no one signs in.
_HASH = "$2b$12$" + "." * 53


@dataclass(frozen=True)
class Buyer:
    """A user who orders for a customer; `authorization` is the header."""

    customer_id: str
    authorization: str


@dataclass(frozen=True)
class People:
    """All of them, and what they may order."""

    buyers: tuple[Buyer, ...]
    device: str
    skus: tuple[str, ...]


def add_people(settings: Settings) -> People:
    """Put them into an empty warehouse."""
    tokens = Tokens(settings)

    def authorization(user_id: UUID) -> str:
        return f"Bearer {tokens.make(user_id)}"

    with connect(settings.database_url) as connection:
        _add_customers(connection)
        buyers = [_add_user(connection, f"buyer-{at}", "customer", _customer(at)) for at in range(USERS)]
        device = _add_user(connection, "bench-device", "device", None)
        skus = [sku for (sku,) in connection.execute("select sku from products order by sku")]
    return People(
        tuple(Buyer(_customer(at), authorization(user_id)) for at, user_id in enumerate(buyers)),
        authorization(device),
        tuple(skus),
    )


def _customer(at: int) -> str:
    return f"bench-{at % CUSTOMERS:03d}"


def _add_customers(connection: Connection) -> None:
    connection.execute(
        """
        insert into customers (
            customer_id, name, tier, region, max_quantity_per_order, max_quantity_30_days, approval_above
        )
        select id, id, 'premium', 'unassigned', 100000, 2000000000, 100000
        from unnest(%s::text[]) as id
        """,
        [[_customer(at) for at in range(CUSTOMERS)]],
    )


def _add_user(connection: Connection, username: str, role: str, customer_id: str | None) -> UUID:
    found = connection.execute(
        "insert into users (username, password_hash, roles, customer_id) values (%s, %s, %s, %s) returning user_id",
        [username, _HASH, [role], customer_id],
    ).fetchone()
    assert found
    return UUID(str(found[0]))
