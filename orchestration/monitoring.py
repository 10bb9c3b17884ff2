"""What Dagster's UI tells of each asset besides: who answers for it, how old it may become, where to look on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg

from sensorhouse.settings import Settings

# Of each group. Teams of whoever runs this: their names are all that is to change.
OWNERS = {
    "kafka": "team:ingest",
    "raw": "team:ingest",
    "readings": "team:quality",
    "catalogue": "team:orders",
    "staging": "team:analytics",
    "marts": "team:analytics",
    "charts": "team:analytics",
    "dashboards": "team:analytics",
    "housekeeping": "team:platform",
}


@dataclass(frozen=True)
class Fresh:
    """After how many hours an asset is told to be late, and to have failed; and the reason."""

    warn_h: int
    fail_h: int
    why: str

    @property
    def policy(self) -> dg.FreshnessPolicy:
        """As Dagster's daemon looks at it."""
        return dg.FreshnessPolicy.time_window(timedelta(hours=self.fail_h), timedelta(hours=self.warn_h))


_TALK = Fresh(1, 24, "Sensors talk day and night: an hour without a reading is odd, a day means that none reaches us.")
_NIGHTLY = Fresh(26, 50, "Runs each night: late is a night that failed, and two of them fill the disk.")
_FRESH = {
    "raw_readings": _TALK,
    "readings": _TALK,
    "anomalies": _TALK,
    "raw_orders": Fresh(72, 168, "Orders come on working days: a weekend without any is usual, a week is not."),
    "lake_files": Fresh(2, 5, "Runs each hour: small files make every read of the lake slower."),
    "hot_window": _NIGHTLY,
    "drain_books": _NIGHTLY,
}
# Of whole groups.
_FRESH_GROUPS = {
    "marts": Fresh(1, 24, "Built again within two minutes of what they read, which is always something."),
    **dict.fromkeys(("charts", "dashboards"), Fresh(1, 24, "Refreshed whenever the marts were built.")),
}

# Tables that are not named as their assets are.
_WAREHOUSE = {"raw_readings": "reading_chunks", "readings": "reading_chunks", "anomalies": "episodes"}
_LAKE = {"anomalies": "episodes"}
_SHOWN_LIVE = {"raw_orders", "raw_readings", "anomalies", "orders"}
# On which dashboard.
_SHOWN = {"raw_orders": "orders", "raw_readings": "sensors", "anomalies": "anomalies", "slices": "platform"}


def monitored(
    assets: Iterable[dg.AssetsDefinition | dg.AssetSpec], settings: Settings
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The same assets with their owners, freshness and links."""
    return list(dg.map_asset_specs(lambda spec: _told(spec, settings), assets))


def _told(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    fresh = _FRESH.get(spec.key.to_user_string(), _FRESH_GROUPS.get(spec.group_name or ""))
    reason = {"fresh when": f"at most {fresh.warn_h} h old, {fresh.fail_h} h at worst. {fresh.why}"} if fresh else {}
    owned = spec.merge_attributes(owners=[OWNERS[spec.group_name or ""]], metadata={**_links(spec, settings), **reason})
    return owned.replace_attributes(freshness_policy=fresh.policy) if fresh else owned


def _links(spec: dg.AssetSpec, settings: Settings) -> dict[str, Any]:
    name = spec.key.to_user_string()
    links: dict[str, Any] = {}
    if name in _WAREHOUSE or (spec.group_name in ("raw", "catalogue") and "postgres" in spec.kinds):
        links["dagster/table_name"] = f"public.{_WAREHOUSE.get(name, name)}"
    if spec.group_name in ("raw", "readings") and "deltalake" in spec.kinds:
        links["lake table"] = dg.MetadataValue.path(f"{settings.lake}/{_LAKE.get(name, name)}")
    if name in _SHOWN_LIVE:
        links["live page"] = dg.MetadataValue.url(f"{settings.public_address}/")
    if settings.superset and name in _SHOWN:
        links["dashboard"] = dg.MetadataValue.asset(dg.AssetKey(["dashboards", _SHOWN[name]]))
    if name in ("raw_orders", "raw_readings"):
        links["dead letters"] = dg.MetadataValue.asset(dg.AssetKey("dead_letters"))
    return links
