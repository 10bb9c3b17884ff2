"""Our own servers: the API, and the relay that carries the outbox to Kafka."""

from __future__ import annotations

import sys
from urllib.error import URLError
from urllib.request import urlopen

from infra.local import tools
from infra.local.part import Part, environment
from infra.local.ports import Port
from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings, reachable
from warehouse.database import connect
from warehouse.locks import Lock, is_held

# Connections of one worker that are open at once. Granian's own limit is 1,024, and whoever comes next is connected but
# not answered until another connection is closed.
CONNECTIONS = 10_000
# Connections that wait to be accepted; the kernel's usual limit.
WAITING_CONNECTIONS = 4096


def api(settings: Settings) -> Part:
    """The API and the live dashboard."""
    host, port = settings.api_host, settings.api_port
    options = ["--interface", "asgi", "--factory", "--host", host, "--port", str(port), "--no-access-log"]
    options += ["--backlog", str(WAITING_CONNECTIONS), "--backpressure", str(CONNECTIONS)]
    return Part(
        name="api",
        # A browser that keeps a connection open must not keep the server from ending.
        command=lambda: [
            tools.environment_bin() / "granian",
            *options,
            "--workers-kill-timeout",
            "3",
            "api.app:create_app",
        ],
        is_ready=lambda _: _is_ok(f"{url(settings)}/readyz"),
        environment=lambda: environment(settings),
        address=url(settings),
        ports=(Port(port, "API_PORT", host),),
        stop_within_s=3,
    )


def relay(settings: Settings) -> Part:
    """Carries order events from the outbox to Kafka."""
    return Part(
        name="relay",
        command=lambda: [sys.executable, "-m", "sensors_io.relay"],
        is_ready=lambda _: _relay_leads(settings),
        environment=lambda: environment(settings),
        address="(no port)",
        stop_within_s=2.5,
    )


def url(settings: Settings) -> str:
    """Where a browser on this machine finds the API."""
    return f"http://{reachable(settings.api_host)}:{settings.api_port}"


def _relay_leads(settings: Settings) -> bool:
    """Whether a relay publishes, which it does only with the lead."""
    try:
        with connect(settings.database_url) as connection:
            return is_held(connection, Lock.RELAY)
    except DependencyDown:
        return False


def _is_ok(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
