"""Superset's dashboards as assets: each is downstream of the marts that it reads, and its charts are checked."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets import applied_dashboards, dashboard_files
from assets.dashboard_files import Objects
from assets.resources import House
from assets.superset import Answer, sign_in
from sensorhouse.errors import DashboardsUnusable

# A run with this tag keeps what was changed in Superset itself: it applies a dashboard only if its files have changed.
ONLY_CHANGED = "sensorhouse/only_changed_dashboards"


def assets(objects: Objects, marts: Sequence[dg.AssetSpec]) -> list[dg.AssetsDefinition]:
    """An asset for each dashboard; raises `DashboardsUnusable` for a dataset that is none of the marts."""
    return [_asset(objects, slug, marts) for slug in dashboard_files.slugs(objects)]


def checks(objects: Objects) -> list[dg.AssetChecksDefinition]:
    """A check for each dashboard: every chart has an answer, with rows."""
    return [_check(slug) for slug in dashboard_files.slugs(objects)]


def _asset(objects: Objects, slug: str, marts: Sequence[dg.AssetSpec]) -> dg.AssetsDefinition:
    shown = dashboard_files.of_dashboard(objects, slug)
    version = hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()[:12]
    title, description = next((one["dashboard_title"], one["description"]) for one in shown.values() if "slug" in one)

    @dg.asset(
        key=_key(slug),
        deps=sorted(_marts_read(shown, marts)),
        group_name="dashboards",
        kinds={"superset"},
        description=f"{title}: {description}",
        code_version=version,
    )
    def dashboard(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> dg.MaterializeResult[None]:
        """Apply its files, and have every chart's answer made anew in the cache."""
        keeps = context.run_tags.get(ONLY_CHANGED) == "true" and _applied_version(context, slug) == version
        with sign_in(house.settings) as superset:
            changed = [] if keeps else applied_dashboards.apply(superset, house.settings, shown)
            answers = applied_dashboards.answers(superset, slug)
        metadata: dict[str, dg.MetadataValue[Any] | int | str | list[str]] = {
            "address": dg.MetadataValue.url(f"{superset.url}/superset/dashboard/{slug}/"),
            "files": version,
            "changed": [one.path for one in changed],
            "charts": len(answers),
            "rows": sum(answer.rows for answer in answers),
        }
        return dg.MaterializeResult(metadata=metadata)

    return dashboard


def _check(slug: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=_key(slug), description="Every chart has an answer, with rows in it.")
    def charts_answer(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
        with sign_in(house.settings) as superset:
            return judged(applied_dashboards.answers(superset, slug))

    return charts_answer


def judged(answers: Sequence[Answer]) -> dg.AssetCheckResult:
    """Whether all is well: an error is one, a chart without rows is only a warning, for there may be nothing yet."""
    broken = {answer.chart.name: answer.error for answer in answers if answer.error}
    empty = [answer.chart.name for answer in answers if not answer.error and not answer.rows]
    told = [f"{name}: {error}" for name, error in broken.items()] + [f"{name}: no rows" for name in empty]
    return dg.AssetCheckResult(
        passed=bool(answers) and not told,
        severity=dg.AssetCheckSeverity.ERROR if broken or not answers else dg.AssetCheckSeverity.WARN,
        description="\n".join(told) or f"{len(answers)} charts",
        metadata={"charts": len(answers), "broken": list(broken), "empty": empty},
    )


def _marts_read(shown: Objects, marts: Sequence[dg.AssetSpec]) -> set[dg.AssetKey]:
    by_table = {tuple(spec.key.path): spec.key for spec in marts}
    read = dashboard_files.tables(shown)
    if unknown := sorted(".".join(table) for table in read if table not in by_table):
        raise DashboardsUnusable(f"a dataset is no mart of dbt's: {', '.join(unknown)}")
    return {by_table[table] for table in read}


def _applied_version(context: dg.AssetExecutionContext, slug: str) -> object:
    """The version of the files that were applied last, as far as Dagster knows."""
    last = context.instance.get_latest_materialization_event(_key(slug))
    known = last.asset_materialization.metadata.get("files") if last and last.asset_materialization else None
    return known.value if known else None


def _key(slug: str) -> dg.AssetKey:
    return dg.AssetKey(["dashboards", slug])
