"""How long an upload takes until it is acknowledged: 50,000 readings as Arrow, to the API behind its own server."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench.api_server import client_of, serving, spread
from bench.data import ending_now
from bench.measure import Meter, busy, machine
from infra.local import ports
from sensors_io.arrow_codec import encode
from sensors_io.reading import ARROW
from tests.servers import fetch_programs, start_servers
from warehouse.accounts import seed_demo

READINGS = 50_000
UPLOADS = 100
UNMEASURED = 5


def main() -> int:
    """Start servers of our own, upload one after another, print, and end them."""
    fetch_programs()
    body = encode(next(ending_now(READINGS).readings(READINGS)))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = start_servers(Path(folder))
        try:
            settings = servers.new_settings(api_port=ports.free(1)[0])
            seed_demo(settings.database_url)
            assert servers.kafka.process
            with (
                serving(settings, Path(folder) / "api.log") as api_pid,
                client_of(settings, "gateway", {"content-type": ARROW}) as client,
            ):
                print(f"{machine()}; other programs keep {busy():.0%} of the processors busy")
                answers_ms = []
                for at in range(UNMEASURED + UPLOADS):
                    if at == UNMEASURED:
                        meter = Meter.of({"API": api_pid, "broker": servers.kafka.process.pid})
                    began = time.perf_counter()
                    client.post("/sensors/data", content=body).raise_for_status()
                    answers_ms.append((time.perf_counter() - began) * 1000)
                used = ", ".join(f"{name} {spent * 1000 / UPLOADS:.1f} ms" for name, spent in meter.read().items())
        finally:
            servers.stop()
    print(f"{READINGS:,} readings, {len(body):,} bytes: {spread(answers_ms[UNMEASURED:])}; CPU: {used}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
