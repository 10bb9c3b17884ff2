"""A Superset on marts that have something in them, for tests of the dashboards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
from pydantic import SecretStr

from assets.marts import marts
from assets.resources import House
from infra.local import ports, superset
from orchestration.definitions import build_definitions
from sensorhouse.settings import Settings
from tests.episodes import mark_spikes
from tests.readings import SENSOR_TYPES, publish_readings, reading
from tests.servers import Server, Servers
from warehouse import reader
from warehouse.database import Connection, connect, create_database

STATES = ("pending_approval", "accepted", "routed", "in_production", "in_test", "shipped", "delivered")


@contextmanager
def superset_on_marts(servers: Servers, folder: Path) -> Iterator[Settings]:
    """Settings of a Superset that runs; its metadata, and the warehouse with its marts, are in databases of its own."""
    port, api_port = ports.free(2)
    password = SecretStr("a password of the tests")
    settings = servers.new_settings(
        state_dir=folder,
        superset_port=port,
        api_port=api_port,
        superset_password=password,
        superset_secret_key=password,
        reader_password=password,
    )
    settings = settings.model_copy(update={"superset_database": f"{settings.dagster_database}_superset"})
    create_database(settings.superset_database_url)
    reader.allow(settings.database_url, settings.reader_sign_in)
    server = Server(superset.part(settings), folder / "superset.log")
    server.launch()
    try:
        # While it starts.
        fill(settings)
        build_marts(settings)
        server.wait_ready()
        yield settings
    finally:
        server.stop()
        servers.drop(settings)
        servers.drop_database(settings.superset_database)


def build_marts(settings: Settings) -> None:
    """Build all of dbt's models."""
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([marts], resources={"house": House(settings)}, instance=instance)


def fill(settings: Settings) -> None:
    """Orders in every state, units and their tests, readings of four days, and episodes."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with connect(settings.database_url) as connection:
        connection.execute("insert into customers values ('acme', 'Acme', 'plus', 'eu', 99, 99, 99, '{}', null)")
        connection.execute("insert into users (username, password_hash, roles) values ('ada', '', '{customer}')")
        for number in range(14):
            _add_order(connection, number, now - timedelta(days=number % 5, hours=9))
        connection.execute(
            """
            insert into units
            select 'probe-' || number, %s, 'TMP-100', 'dresden-1', %s, 40 * least(number, 1)
            from generate_series(0, 3) as number
            """,
            [_order_id(13), now - timedelta(days=2)],
        )
        connection.execute("insert into answer_times values (%s, 'GET', '/orders/', 0.01, 9)", [now])
        connection.execute("insert into unit_failures values ('probe-3', 'temperature', %s, 130, -40, 120)", [now])
    hours = [
        (number, now - timedelta(hours=hour), 20.0 + number + hour % 7) for number in range(6) for hour in range(80)
    ]
    publish_readings(
        settings,
        [reading(f"probe-{n}", at=at, value=value, sensor_type=SENSOR_TYPES[n % 3]) for n, at, value in hours],
    )
    brisk = settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.5, "lake_flush_s": 0.0, "refresh_linger_s": 0.0})
    for job in ("drain_readings", "refresh_touched_keys"):
        with dg.DagsterInstance.ephemeral() as instance:
            assert build_definitions(brisk).resolve_job_def(job).execute_in_process(instance=instance).success
    mark_spikes(settings, above=30)


def _add_order(connection: Connection, number: int, at: datetime) -> None:
    """An order of TMP-100 as the API keeps it, and its events up to some state as a drain stores them."""
    order = _order_id(number)
    connection.execute(
        """
        insert into orders (
            order_id, customer_id, sku, quantity, value, status, policy_version, version, created_by, created_at,
            updated_at
        )
        select %s, 'acme', 'TMP-100', %s, 480, 'received', 'p', 1, user_id, %s, %s from users
        """,
        [order, number + 1, at, at],
    )
    connection.execute(
        """
        insert into order_events (event_id, order_id, version, type, status, actor, occurred_at)
        values (uuidv7(), %s, 1, 'order_placed', 'received', 'ada', %s)
        """,
        [order, at],
    )
    for version, status in enumerate(STATES[: number % len(STATES) + 1], start=1):
        happened = at + timedelta(hours=version)
        connection.execute(
            """
            insert into raw_orders
            values ('c/orders', 0, %s, %s, %s, %s, %s, %s, 'acme', 'TMP-100', %s, null, 'ada', %s, %s)
            """,
            [
                *(number * 10 + version, f"event-{number}-{version}", order, version, f"order_{status}", status),
                *(number + 1, happened, happened),
            ],
        )


def _order_id(number: int) -> str:
    return str(UUID(int=number))
