"""A local stack of a test's own, driven by the `sensorhouse` command."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local import places, ports, state
from infra.local.state import PartState
from sensorhouse.settings import Settings


@dataclass(frozen=True)
class Stack:
    """A stack in a folder of its own, on ports of its own."""

    settings: Settings

    def sensorhouse(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "infra.cli", *arguments]
        environment = {**os.environ, **self.settings.as_environment(), **changes}
        return subprocess.run(
            command, cwd=places.CHECKOUT, env=environment, capture_output=True, text=True, timeout=200, check=False
        )

    def up(self) -> None:
        done = self.sensorhouse("up", "--detach")
        assert done.returncode == 0, done.stdout + done.stderr

    def part(self, name: str) -> PartState:
        found = state.running(self.settings)
        assert found
        return found.parts[name]


def new_stack(folder: Path, **changes: Any) -> Stack:
    """One that is not started yet, with its data in `folder` and on free ports."""
    kafka, controller, postgres, api, dagster, code, marts, superset = ports.free(8)
    # Most tests don't look at dashboards, and Superset takes half a minute of both processors to start.
    changes = {"superset": False} | changes
    settings = Settings(
        _env_file=None,
        state_dir=folder,
        kafka_port=kafka,
        kafka_controller_port=controller,
        postgres_port=postgres,
        api_port=api,
        dagster_port=dagster,
        dagster_code_port=code,
        dagster_marts_port=marts,
        superset_port=superset,
        **changes,
    )
    return Stack(settings)


def stack_on(settings: Settings, folder: Path, **changes: Any) -> Stack:
    """One that is not started yet, on the Kafka, Postgres and S3 of `settings`, which run already."""
    given = settings.model_dump(
        include={
            *("orders_topic", "readings_topic", "postgres_url", "dagster_database", "jwt_secret"),
            *("lake_url", "s3_endpoint", "s3_access_key_id", "s3_secret_access_key"),
        }
    )
    return new_stack(folder, **{"kafka_brokers": settings.brokers, **given, **changes})
