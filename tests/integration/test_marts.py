"""The dbt project, built by its Dagster assets on a real Postgres."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from assets.marts import DBT, PROJECT, dbt_environment, marts, profiles
from assets.resources import House
from sensorhouse.settings import Settings
from tests.readings import NOON, many, publish, publish_readings, reading, warehouse_rows

KEYS = {
    *(["staging", f"stg_{name}"] for name in ("order_events", "readings", "anomalies", "staged_keys")),
}
