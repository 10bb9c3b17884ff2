"""Whether each part of Sensorhouse does its work, and if not, why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from api.snapshots import Watched
from api.words import duration
from sensorhouse.settings import Settings
from sensors_io.lake import Lake
from warehouse.metrics import Metrics

ANSWER_WITHIN_S = 4.0
# Longer than the relay or a drain ever waits when all is well.
OUTBOX_LATE_S = 30.0
DRAIN_LATE_S = 60.0
_LONGEST_DETAIL = 200

_QUERY = """
query Health {
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy lastHeartbeatErrors { message } } } }
  workspaceOrError {
    __typename
    ... on Workspace {
      locationEntries { name loadStatus locationOrLoadError { __typename ... on PythonError { message } } }
    }
    ... on PythonError { message }
  }
}
"""


@dataclass(frozen=True)
class Part:
    """One part's health; `detail` is the reason when it is not healthy, otherwise what can be said."""

    name: str
    healthy: bool
    detail: str
    checked_at: datetime


def status(parts: Iterable[Part]) -> str:
    """`ok` when all parts are healthy, otherwise `degraded`."""
    return "ok" if all(part.healthy for part in parts) else "degraded"


def watched_parts(metrics: Watched[Metrics], kafka: Watched[Any], lag: int) -> tuple[Part, ...]:
    """The parts that the metrics tell about: the API, Postgres, Kafka, the relay and the drain."""
    parts = [
        _well("api", "answers", datetime.now(UTC)),
        _watched("postgres", metrics, "answers queries"),
        _watched("kafka", kafka, "tells its offsets"),
    ]
    if metrics.value:
        parts += [_relay(metrics.value), _drain(metrics.value, lag)]
    return tuple(parts)


async def lake_part(lake: Lake) -> Part:
    """Whether the lake answers."""
    now = datetime.now(UTC)
    try:
        found = await asyncio.wait_for(asyncio.to_thread(lake.has, "raw_readings"), ANSWER_WITHIN_S)
    except TimeoutError:
        return _ill("lake", f"no answer within {ANSWER_WITHIN_S:.0f} s", now)
    except Exception as error:  # deltalake and the object stores have many, and none in common
        return _ill("lake", str(error), now)
    return _well("lake", "answers" if found else "answers; holds no readings yet", now)


async def dagster_parts(client: httpx.AsyncClient, settings: Settings) -> tuple[Part, ...]:
    """Dagster's webserver, and what it says of the daemon and the code location."""
    now = datetime.now(UTC)
    names = ("dagster webserver", "dagster daemon", "code location")
    url = f"http://{settings.dagster_host}:{settings.dagster_port}{settings.dagster_path}/graphql"
    try:
        answer = await client.post(url, json={"query": _QUERY}, timeout=ANSWER_WITHIN_S)
        answer.raise_for_status()
        data = answer.json()["data"]
        told = ((True, "answers"), _daemon(data), _code_location(data))
    except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
        reason = str(error) or type(error).__name__
        unknown = [_ill(name, "unknown: the webserver does not say", now) for name in names[1:]]
        return (_ill(names[0], reason, now), *unknown)
    return tuple(Part(name, healthy, detail, now) for name, (healthy, detail) in zip(names, told, strict=True))


async def superset_parts(client: httpx.AsyncClient, settings: Settings) -> tuple[Part, ...]:
    """Whether Superset answers; nothing where there is to be none."""
    if not settings.superset:
        return ()
    now = datetime.now(UTC)
    try:
        answer = await client.get(f"{settings.superset_address}/health", timeout=ANSWER_WITHIN_S)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        return (_ill("superset", str(error) or type(error).__name__, now),)
    return (_well("superset", "answers", now),)


def _well(name: str, detail: str, checked_at: datetime) -> Part:
    return Part(name=name, healthy=True, detail=detail, checked_at=checked_at)


def _ill(name: str, reason: str, checked_at: datetime) -> Part:
    return Part(name=name, healthy=False, detail=_short(reason), checked_at=checked_at)


def _daemon(data: dict[str, Any]) -> tuple[bool, str]:
    required = [daemon for daemon in data["instance"]["daemonHealth"]["allDaemonStatuses"] if daemon["required"]]
    ill = [daemon for daemon in required if not daemon["healthy"]]
    if not ill:
        return True, f"{len(required)} daemons send heartbeats"
    names = ", ".join(daemon["daemonType"].lower() for daemon in ill)
    errors = [error["message"] for daemon in ill for error in daemon["lastHeartbeatErrors"] or []]
    return False, _short(f"{names}: {errors[0]}" if errors else f"no heartbeat of {names}")


def _code_location(data: dict[str, Any]) -> tuple[bool, str]:
    workspace = data["workspaceOrError"]
    if workspace["__typename"] != "Workspace":
        return False, _short(str(workspace.get("message", workspace["__typename"])))
    entries = workspace["locationEntries"]
    for entry in entries:
        loaded = entry["locationOrLoadError"]
        if loaded is None:
            return False, f"{entry['name']} is {entry['loadStatus'].lower()}"
        if loaded["__typename"] == "PythonError":
            return False, _short(f"{entry['name']}: {loaded['message']}")
    return bool(entries), ", ".join(entry["name"] for entry in entries) or "none is served"


def _watched(name: str, watched: Watched[Any], well: str) -> Part:
    now = datetime.now(UTC)
    if watched.problem:
        return _ill(name, watched.problem, now)
    return _well(name, well, watched.taken_at or now)


def _relay(metrics: Metrics) -> Part:
    waiting = f"{metrics.outbox_waiting:,} events wait, the oldest for {duration(metrics.outbox_oldest_s)}"
    if metrics.outbox_waiting and metrics.outbox_oldest_s > OUTBOX_LATE_S:
        return _ill("relay", waiting, metrics.taken_at)
    if not metrics.relay_leads:
        return _ill("relay", "none is at work: order events do not reach Kafka", metrics.taken_at)
    return _well("relay", waiting if metrics.outbox_waiting else "all events are sent", metrics.taken_at)


def _drain(metrics: Metrics, lag: int) -> Part:
    loaded_at = metrics.last_loaded_at
    idle_s = (metrics.taken_at - loaded_at).total_seconds() if loaded_at else float("inf")
    if lag and not metrics.draining and idle_s > DRAIN_LATE_S:
        return _ill("drain", f"{lag:,} messages wait and no drain is at work", metrics.taken_at)
    at_work = f"{metrics.draining} at work" if metrics.draining else "rests until something arrives"
    return _well("drain", at_work, metrics.taken_at)


def _short(text: str) -> str:
    # What the Kafka client's errors say to people is inside of what they say to programs.
    text = re.sub(r'KafkaError\{.*?str="(.*?)"\}', r"\1", text).strip()
    first = text.splitlines()[0] if text else "no reason given"
    return first if len(first) <= _LONGEST_DETAIL else f"{first[: _LONGEST_DETAIL - 1]}…"
