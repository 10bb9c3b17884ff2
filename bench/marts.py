"""`make bench-marts`: how long the marts of ten million readings take: at once, after late ones, after nothing."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from assets.marts import DBT, PROJECT, dbt_environment
from bench.data import Factory
from bench.measure import Meter, busy, ended_children_cpu_s, machine
from bench.reading_queries import filled
from bench.topics import Encoding, Sent, fill
from sensorhouse.settings import Settings
from sensors_io.drain import drain
from sensors_io.feeds import readings_feed
from sensors_io.lake import open_lake
from tests.servers import Servers, fetch_programs, start_servers
from warehouse import staged
from warehouse.database import connect

# One of each sensor.
LATE = 2_000


@dataclass(frozen=True)
class Build:
    """What one build took: seconds from the command to its end, CPU seconds of dbt and Postgres, and of each mart."""

    wall_s: float
    dbt_cpu_s: float
    postgres_cpu_s: float
    marts_s: dict[str, float]

    def told(self) -> str:
        """A line of the whole, and one of each mart that took a tenth of a second or more."""
        lines = [f"{self.wall_s:.1f} s; CPU: dbt {self.dbt_cpu_s:.1f} s, Postgres {self.postgres_cpu_s:.1f} s"]
        lines += [f"  {name} {took:.1f} s" for name, took in self.marts_s.items() if took >= 0.1]
        return "\n".join(lines)


def main() -> int:
    """Start servers of our own, fill them, build three times, print, and end them."""
    parser = argparse.ArgumentParser(prog="marts", description=__doc__)
    parser.add_argument("--readings", type=int, default=10_000_000)
    given = parser.parse_args()
    fetch_programs()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = start_servers(Path(folder))
        try:
            settings = filled(servers, given.readings)
            print(f"{machine()}; other programs keep {busy():.0%} of the processors busy", flush=True)
            stage(settings)
            print(f"everything: {build(settings, servers, Path(folder)).told()}", flush=True)
            arrive_late(settings)
            print(f"a late reading of each sensor: {build(settings, servers, Path(folder)).told()}", flush=True)
            print(f"nothing new: {build(settings, servers, Path(folder)).told()}", flush=True)
        finally:
            servers.stop()
    return 0


def stage(settings: Settings) -> None:
    """Say of every touched partition key that staging has seen it."""
    with connect(settings.database_url) as connection:
        connection.execute(
            """
            insert into staged_keys (day, sensor_type, raw, staged, duplicates, revisions, refreshed_at)
            select day, sensor_type, sum(count), sum(count), 0, 0, clock_timestamp()
            from reading_chunks
            join series using (series_id)
            join (select distinct day, sensor_type from touched_keys) as touched using (day, sensor_type)
            group by day, sensor_type
            on conflict (day, sensor_type) do update set
                raw = excluded.raw,
                staged = excluded.staged,
                refreshed_at = excluded.refreshed_at
            """
        )
        connection.execute("delete from touched_keys")


def arrive_late(settings: Settings) -> None:
    """Drain one more reading of each sensor, of yesterday."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    fill(settings, Encoding.ARROW, Factory(start=yesterday).readings(LATE), Sent())
    with connect(settings.database_url) as connection:
        feed = readings_feed(settings, sensor_types=staged.sensor_types(connection))
    drain(settings, feed, open_lake(settings), run_id="bench-late")
    stage(settings)


def build(settings: Settings, servers: Servers, folder: Path) -> Build:
    """Build and test everything, as a run of Dagster does."""
    assert servers.postgres.process
    command = [DBT, "build", "--exclude-resource-type", "unit_test", "--project-dir", PROJECT.project_dir]
    command += ["--profiles-dir", PROJECT.project_dir, "--target-path", folder / "dbt", "--log-path", folder / "dbt"]
    meter, ours = Meter.of({"Postgres": servers.postgres.process.pid}), ended_children_cpu_s()
    began = time.perf_counter()
    subprocess.run([*map(str, command), "--quiet"], env={"PATH": sys.prefix, **dbt_environment(settings)}, check=True)
    wall_s = time.perf_counter() - began
    results = json.loads((folder / "dbt" / "run_results.json").read_text())["results"]
    marts_s = {
        one["unique_id"].rpartition(".")[2]: one["execution_time"]
        for one in results
        if one["unique_id"].startswith("model.") and one["relation_name"] and '"marts"' in one["relation_name"]
    }
    return Build(wall_s, ended_children_cpu_s() - ours, meter.read()["Postgres"], marts_s)


if __name__ == "__main__":
    sys.exit(main())
