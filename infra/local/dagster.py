"""The local Dagster: code servers that webserver and daemon share, with its storage in Postgres."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import grpc
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from infra.local import places, tools
from infra.local.part import Part, environment
from infra.local.ports import Port
from infra.local.processes import Command
from sensorhouse.settings import Settings, reachable

STORAGE_URL = "DAGSTER_STORAGE_URL"
# Runs are started all the time, and take the processor for seconds: who orders or uploads meanwhile goes first.
BEHIND = 5
# Daemons that must have reported since the start; the others may have nothing to do.
DAEMONS = {"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR"}


@dataclass(frozen=True)
class Location:
    """A code location: its name in the UI, its module, and the server that holds it."""

    name: str
    module: str
    server: str
    port: Port


def locations(settings: Settings) -> tuple[Location, ...]:
    """All of them."""
    return (
        Location(
            "sensorhouse",
            "orchestration.definitions",
            "code-server",
            Port(settings.dagster_code_port, "DAGSTER_CODE_PORT"),
        ),
        Location(
            "marts",
            "orchestration.marts",
            "marts-server",
            Port(settings.dagster_marts_port, "DAGSTER_MARTS_PORT"),
        ),
    )


def code_servers(settings: Settings) -> tuple[Part, ...]:
    """They hold our definitions, answer webserver and daemon, and start the runs."""
    return tuple(_code_server(settings, location) for location in locations(settings))


def _code_server(settings: Settings, location: Location) -> Part:
    port = location.port.number
    options = ["-m", location.module, "-p", port, "--host", "127.0.0.1", "--location-name", location.name]
    return Part(
        name=location.server,
        command=lambda: _command("dagster", "api", "grpc", *options),
        is_ready=lambda _: _serves(port),
        environment=lambda: _environment(settings),
        address=f"127.0.0.1:{port}",
        ports=(location.port,),
        prepare=lambda: prepare(settings),
        # Runs: a drain goes on, and holds its lock, while the code server is started again.
        children_go_on=True,
        # The runs inherit it.
        niceness=BEHIND,
        # The first start compiles what it imports, and lets dbt read its project: minutes on a busy machine.
        ready_within_s=300.0,
        stop_within_s=1.5,
    )


def webservers(settings: Settings) -> tuple[Part, ...]:
    """Dagster's UI, and the one that can only look, if it is wanted."""
    acting = _webserver(settings, "webserver", settings.dagster_port, "DAGSTER_PORT")
    if settings.dagster_viewers_port is None:
        return (acting,)
    looking = ("viewers-webserver", settings.dagster_viewers_port, "DAGSTER_VIEWERS_PORT", "--read-only")
    return acting, _webserver(settings, *looking)


def _webserver(settings: Settings, name: str, port: int, setting: str, *more: str) -> Part:
    host = settings.dagster_host
    options = ["-w", _workspace(settings), "-h", host, "-p", port, "--log-format", "json", *more]
    if settings.dagster_path:
        options += ["--path-prefix", settings.dagster_path]
    address = url(settings, port)
    return Part(
        name=name,
        command=lambda: _command("dagster-webserver", *options),
        is_ready=lambda _: _tells_version(address),
        environment=lambda: _environment(settings),
        address=address,
        ports=(Port(port, setting, host),),
        stop_within_s=2.5,
    )


def daemon(settings: Settings) -> Part:
    """Ticks schedules and sensors, and takes runs from the queue."""
    # Every tick is told in the UI; a line for each would fill the log.
    quiet = ["--log-level", "warning", "--log-format", "json"]
    return Part(
        name="daemon",
        command=lambda: _command("dagster-daemon", "run", "-w", _workspace(settings), *quiet),
        is_ready=lambda since: reported(url(settings), since) >= DAEMONS,
        environment=lambda: _environment(settings),
        address="(no port)",
        niceness=BEHIND,
        stop_within_s=2.5,
    )


def url(settings: Settings, port: int | None = None) -> str:
    """Where a browser on this machine finds the UI."""
    return f"http://{reachable(settings.dagster_host)}:{port or settings.dagster_port}{settings.dagster_path}"


def home(settings: Settings) -> Path:
    """DAGSTER_HOME: its configuration and the runs' own output."""
    return places.state_dir(settings) / "dagster"


def prepare(settings: Settings) -> None:
    """Write the instance's and the workspace's configuration."""
    home(settings).mkdir(parents=True, exist_ok=True)
    (home(settings) / "dagster.yaml").write_text(yaml.safe_dump(instance(settings), sort_keys=False))
    (home(settings) / "workspace.yaml").write_text(yaml.safe_dump(workspace(settings), sort_keys=False))


def instance(settings: Settings) -> dict[str, object]:
    """What dagster.yaml says."""
    return {
        # From the environment: a file can be read by others, and shown in the UI.
        "storage": {"postgres": {"postgres_url": {"env": STORAGE_URL}}},
        "telemetry": {"enabled": False},
        # Else every new browser is asked to sign up for a newsletter.
        "nux": {"enabled": False},
        # One after another, a slow sensor would hold up all others.
        "sensors": {"use_threads": True, "num_workers": 4, "num_submit_workers": 4},
        "schedules": {"use_threads": True, "num_workers": 2},
        "concurrency": {"runs": {"max_concurrent_runs": settings.dagster_max_runs}},
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": "QueuedRunCoordinator",
            "config": {"dequeue_interval_seconds": 1},
        },
        # A run whose process is gone is failed, not left "started" for ever.
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": 120,
            "cancel_timeout_seconds": 60,
            "poll_interval_seconds": 15,
        },
        "retention": {
            "schedule": {"purge_after_days": 30},
            "sensor": {"purge_after_days": {"skipped": 1, "failure": 30, "success": 30}},
        },
    }


def workspace(settings: Settings) -> dict[str, object]:
    """What workspace.yaml says: ask the shared code servers."""
    servers = [
        {"host": "127.0.0.1", "port": location.port.number, "location_name": location.name}
        for location in locations(settings)
    ]
    return {"load_from": [{"grpc_server": server} for server in servers]}


def reported(url: str, since: float) -> set[str]:
    """The daemons that are healthy and have said so since then."""
    question = "{instance{daemonHealth{allDaemonStatuses{daemonType healthy lastHeartbeatTime}}}}"
    try:
        answer = ask(url, question)["instance"]["daemonHealth"]["allDaemonStatuses"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {one["daemonType"] for one in answer if one["healthy"] and (one["lastHeartbeatTime"] or 0) >= since}


def ask(url: str, question: str) -> dict[str, Any]:
    """The data that answers a GraphQL query."""
    body = json.dumps({"query": question}).encode()
    request = Request(f"{url}/graphql", body, {"content-type": "application/json"})
    with urlopen(request, timeout=5) as answer:
        data: dict[str, Any] = json.load(answer)["data"]
    return data


def _tells_version(url: str) -> bool:
    try:
        with urlopen(f"{url}/server_info", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _serves(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            health = health_pb2_grpc.HealthStub(channel)
            answer = health.Check(health_pb2.HealthCheckRequest(service="DagsterApi"), timeout=2)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _workspace(settings: Settings) -> Path:
    return home(settings) / "workspace.yaml"


def _command(program: str, *options: object) -> Command:
    return [tools.environment_bin() / program, *options]


def _environment(settings: Settings) -> dict[str, str]:
    return environment(settings) | {
        "DAGSTER_HOME": str(home(settings)),
        STORAGE_URL: settings.dagster_url,
        # Series are judged side by side: a BLAS with threads of its own only makes them wait for each other.
        "OPENBLAS_NUM_THREADS": "1",
    }
