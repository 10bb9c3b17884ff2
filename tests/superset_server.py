"""A Superset on marts that have something in them, for tests of the dashboards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from pydantic import SecretStr

from assets.marts import marts
from assets.resources import House
from infra.local import ports, superset
from orchestration.definitions import build_definitions
from sensorhouse.settings import Settings
from tests.readings import SENSOR_TYPES, publish_readings, reading
from tests.servers import Server, Servers
from warehouse import reader
from warehouse.database import connect, create_database

STATES = ("received", "accepted", "routed", "in_production", "in_test", "shipped", "delivered")


@contextmanager
def superset_on_marts(servers: Servers, folder: Path) -> Iterator[Settings]:
    """Settings of a Superset that runs; its metadata, and the warehouse with its marts, are in databases of its own."""
    (port,) = ports.free(1)
    password = SecretStr("a password of the tests")
    settings = servers.new_settings(
        state_dir=folder,
        superset_port=port,
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
    """Orders in every state, readings of two days, and episodes."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    _add_orders(settings, now)
    hours = [
        (number, now - timedelta(hours=hour), 20.0 + number + hour % 7) for number in range(6) for hour in range(40)
    ]
    publish_readings(
        settings,
        [reading(f"probe-{n}", at=at, value=value, sensor_type=SENSOR_TYPES[n % 3]) for n, at, value in hours],
    )
    brisk = settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.5, "lake_flush_s": 0.0, "refresh_linger_s": 0.0})
    for job in ("drain_readings", "refresh_touched_keys"):
        with dg.DagsterInstance.ephemeral() as instance:
            assert build_definitions(brisk).resolve_job_def(job).execute_in_process(instance=instance).success
    with connect(settings.database_url) as connection:
        connection.execute(
            """
            insert into episodes (
                sensor_id, sensor_type, metric, unit, day, kind, started_at, peak_at, ended_at, readings, peak_score,
                peak_value, tier
            )
            select
                sensor_id, sensor_type, metric, unit, day, 'spike', event_time, event_time, event_time, 1, 9,
                value, 'online'
            from readings
            where value > 30
            """
        )


def _add_orders(settings: Settings, now: datetime) -> None:
    with connect(settings.database_url) as connection:
        connection.execute("insert into customers values ('acme', 'Acme', 'plus', 'eu', 9, 9, 9, '{}', null)")
        offset = 0
        for number in range(14):
            for version, status in enumerate(STATES[: number % len(STATES) + 1], start=1):
                at = now - timedelta(days=number % 5, hours=9 - version)
                connection.execute(
                    """
                    insert into raw_orders
                    values ('c/orders', 0, %s, %s, %s, %s, %s, %s, 'acme', 'TMP-100', %s, null, 'ada', %s, %s)
                    """,
                    [
                        *(offset, f"event-{offset}", f"order-{number}", version, f"order_{status}", status),
                        *(number + 1, at, at),
                    ],
                )
                offset += 1
