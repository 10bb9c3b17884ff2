"""The API behind its own server, for what is measured as a client sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles

import httpx

from api.tokens import Tokens
from infra.local import running, services
from sensorhouse.settings import Settings
from warehouse.database import connect


@contextmanager
def serving(settings: Settings, log: Path) -> Iterator[int]:
    """The API until the end of the block; its process."""
    part = services.api(settings)
    process = running.launch(part, log)
    try:
        running.wait_ready(part, process, log)
        yield process.pid
    finally:
        running.stop(part, process)


def client_of(settings: Settings, user: str, headers: Mapping[str, str]) -> httpx.Client:
    """A client that keeps its connection, signed in as one of the demo's users."""
    with connect(settings.database_url) as connection:
        row = connection.execute("select user_id from users where username = %s", [user]).fetchone()
    assert row, f"there is no {user}"
    token = {"authorization": f"Bearer {Tokens(settings).make(row[0])}"}
    return httpx.Client(base_url=services.url(settings), headers={**token, **headers}, timeout=30)


def spread(answers_ms: Sequence[float]) -> str:
    """Median and tail in a few words."""
    cuts = quantiles(answers_ms, n=100, method="inclusive")
    return f"p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms"
