"""How long one sensor's day takes to come back out of ten million readings, asked of the API behind its own server."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import psycopg

from api.reading_pages import READING_TYPES
from bench.api_server import client_of, serving, spread
from bench.data import ending_now
from bench.measure import Meter, busy, machine
from bench.topics import Encoding, Sent, fill
from infra.local import ports
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.feeds import readings_feed
from sensors_io.lake import open_lake
from tests.servers import Servers, fetch_programs, start_servers
from warehouse import staged
from warehouse.accounts import seed_demo
from warehouse.database import connect

# A sensor's day is then 1,440 readings, and ten million are three and a half days of 2,000 sensors.
EVERY_S = 60


@dataclass(frozen=True)
class Times:
    """What questions of one media type took: milliseconds until the answer, and CPU milliseconds of each process."""

    media_type: str
    answers_ms: list[float]
    cpu_ms: dict[str, float]
    readings: int

    def told(self) -> str:
        """One line of it."""
        used = ", ".join(f"{name} {spent:.1f} ms" for name, spent in self.cpu_ms.items())
        return f"{self.media_type}: {spread(self.answers_ms)}; {self.readings:,} readings; CPU: {used}"


def main() -> int:
    """Start servers of our own, fill them, ask, print, and end them."""
    parser = argparse.ArgumentParser(prog="reading-queries", description=__doc__)
    parser.add_argument("--readings", type=int, default=10_000_000)
    parser.add_argument("--questions", type=int, default=200, help="random days of random sensors, per media type")
    given = parser.parse_args()
    fetch_programs()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = start_servers(Path(folder))
        try:
            settings = filled(servers, given.readings)
            with serving(settings, Path(folder) / "api.log") as api_pid:
                print(f"{machine()}; other programs keep {busy():.0%} of the processors busy", flush=True)
                for media_type in READING_TYPES:
                    print(asked(settings, servers, api_pid, media_type, given.questions).told(), flush=True)
        finally:
            servers.stop()
    return 0


def filled(servers: Servers, readings: int) -> Settings:
    """A warehouse and a lake that a drain has filled, with the demo's users."""
    settings = servers.new_settings(linger_s=0.0, api_port=ports.free(1)[0])
    seed_demo(settings.database_url)
    sent = Sent()
    fill(settings, Encoding.ARROW, ending_now(readings, every_s=EVERY_S).readings(readings), sent)
    print(f"{sent.readings:,} readings are in Kafka", flush=True)
    with connect(settings.database_url) as connection:
        feed = readings_feed(settings, sensor_types=staged.sensor_types(connection))
    drain(settings, feed, open_lake(settings), run_id="bench")
    with connect(settings.database_url, autocommit=True) as connection:
        # As the server itself does after a while.
        connection.execute("vacuum analyze")
        print(f"{_count(connection):,} readings are in Postgres", flush=True)
    return settings


def asked(settings: Settings, servers: Servers, api_pid: int, media_type: str, questions: int) -> Times:
    """Ask for random days of random sensors, one after another, over a connection that stays open."""
    assert servers.postgres.process
    with connect(settings.database_url) as connection:
        sensors, days = _sensors(connection), _whole_days(connection)
    dice = random.Random(1)
    queries = [(dice.choice(sensors), dice.choice(days)) for _ in range(questions)]
    with client_of(settings, "vera", {"accept": media_type}) as client:
        for query in queries[:10]:
            _ask(client, *query)
        meter = Meter.of({"API": api_pid, "Postgres": servers.postgres.process.pid})
        answers_ms = [_ask(client, *query) for query in queries]
        cpu_ms = {name: used * 1000 / questions for name, used in meter.read().items()}
    with connect(settings.database_url) as connection:
        held = connection.execute(
            "select sum(count) from reading_chunks join series using (series_id) where sensor_id = %s and day = %s",
            queries[0],
        ).fetchone()
    assert held
    return Times(media_type, answers_ms, cpu_ms, int(held[0]))


def _ask(client: httpx.Client, sensor: str, day: date) -> float:
    """Milliseconds until the whole answer is there."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    query = {"sensor_id": sensor, "start": start.isoformat(), "end": (start + timedelta(days=1)).isoformat()}
    began = time.perf_counter()
    answer = client.get("/sensors/data", params={**query, "limit": 10_000})
    took = time.perf_counter() - began
    answer.raise_for_status()
    return took * 1000


def _count(connection: psycopg.Connection) -> int:
    row = connection.execute("select sum(count) from reading_chunks").fetchone()
    return int(row[0]) if row else 0


def _sensors(connection: psycopg.Connection) -> list[str]:
    return [row[0] for row in connection.execute("select sensor_id from series order by sensor_id")]


def _whole_days(connection: psycopg.Connection) -> list[date]:
    """The days of which every sensor has all readings; the only one where there is no such."""
    days = [row[0] for row in connection.execute("select distinct day from reading_chunks order by day")]
    return days[1:-1] or days


if __name__ == "__main__":
    sys.exit(main())
