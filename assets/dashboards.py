"""Superset's dashboards and charts as assets: charts are downstream of the marts that they read, and are checked."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets import applied_dashboards, dashboard_files
from assets.dashboard_files import Objects
from assets.resources import House
from assets.superset import Answer, sign_in
from sensorhouse.errors import DashboardsUnusable

# A run with this tag keeps what was changed in Superset itself: it applies a dashboard only if its files have changed.
ONLY_CHANGED = "sensorhouse/only_changed_dashboards"

Metadata = dict[str, dg.MetadataValue[Any] | int | str | list[str]]
Told = dg.MaterializeResult[None] | dg.AssetCheckResult


@dataclass(frozen=True)
class Board:
    """A dashboard's files as assets: itself, and its charts by the uuids that they have in Superset."""

    slug: str
    files: Objects
    version: str
    spec: dg.AssetSpec
    charts: dict[str, dg.AssetSpec]

    @property
    def check(self) -> dg.AssetCheckSpec:
        """Whether its charts have answers."""
        return dg.AssetCheckSpec(
            "charts_answer", asset=self.spec.key, description="Every chart has an answer, with rows in it."
        )


def assets(objects: Objects, marts: Sequence[dg.AssetSpec]) -> dg.AssetsDefinition:
    """All dashboards and charts; raises `DashboardsUnusable` for a dataset that is none of the marts."""
    boards = [_board(objects, slug, marts) for slug in dashboard_files.slugs(objects)]

    @dg.multi_asset(
        name="dashboards",
        specs=[spec for board in boards for spec in (*board.charts.values(), board.spec)],
        check_specs=[board.check for board in boards],
        can_subset=True,
    )
    def dashboards(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> Iterator[Told]:
        """Apply the files, and have every chart's answer made anew in the cache."""
        chosen = context.selected_asset_keys | {key.asset_key for key in context.selected_asset_check_keys}
        wanted = [board for board in boards if chosen & {board.spec.key, *(one.key for one in board.charts.values())}]
        keeps = context.run_tags.get(ONLY_CHANGED) == "true"
        stale = [board for board in wanted if not (keeps and _applied_version(context, board) == board.version)]
        with sign_in(house.settings) as superset:
            applied = {path: one for board in stale for path, one in board.files.items()}
            changed = applied_dashboards.apply(superset, house.settings, applied) if applied else []
            for board in wanted:
                answers = applied_dashboards.answers(superset, board.slug)
                for told in _told(board, answers):
                    if told.asset_key in context.selected_asset_keys:
                        yield told
                if board.spec.key in context.selected_asset_keys:
                    metadata: Metadata = {
                        "address": dg.MetadataValue.url(f"{superset.url}/superset/dashboard/{board.slug}/"),
                        "files": board.version,
                        "changed": [one.path for one in changed if one.path in board.files],
                        "charts": len(answers),
                    }
                    yield dg.MaterializeResult(asset_key=board.spec.key, metadata=metadata)
                if board.check.key in context.selected_asset_check_keys:
                    yield judged(answers, board.spec.key)

    return dashboards


def judged(answers: Sequence[Answer], key: dg.AssetKey | None = None) -> dg.AssetCheckResult:
    """Whether all is well: an error is one, a chart without rows is only a warning, for there may be nothing yet."""
    broken = {answer.chart.name: answer.error for answer in answers if answer.error}
    empty = [answer.chart.name for answer in answers if not answer.error and not answer.rows]
    told = [f"{name}: {error}" for name, error in broken.items()] + [f"{name}: no rows" for name in empty]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="charts_answer",
        passed=bool(answers) and not told,
        severity=dg.AssetCheckSeverity.ERROR if broken or not answers else dg.AssetCheckSeverity.WARN,
        description="\n".join(told) or f"{len(answers)} charts",
        metadata={"charts": len(answers), "broken": list(broken), "empty": empty},
    )


def _board(objects: Objects, slug: str, marts: Sequence[dg.AssetSpec]) -> Board:
    files = dashboard_files.of_dashboard(objects, slug)
    version = hashlib.sha256(json.dumps(files, sort_keys=True, default=str).encode()).hexdigest()[:12]
    datasets = {one["uuid"]: one for one in files.values() if "table_name" in one}
    by_table = {tuple(spec.key.path): spec.key for spec in marts}
    charts = {}
    for path, one in files.items():
        if dashboard_files.kind(path) == "charts":
            dataset = datasets[one["dataset_uuid"]]
            table = (dataset["schema"], dataset["table_name"])
            if table not in by_table:
                raise DashboardsUnusable(f"a dataset is no mart of dbt's: {'.'.join(table)}")
            charts[one["uuid"]] = dg.AssetSpec(
                ["charts", path.rpartition("/")[2].removesuffix(".yaml")],
                deps=[by_table[table]],
                group_name="charts",
                kinds={"superset"},
                description=one["slice_name"],
                # One that somebody took off the dashboard in Superset has nothing to tell.
                skippable=True,
            )
    (itself,) = (one for one in files.values() if "slug" in one)
    spec = dg.AssetSpec(
        ["dashboards", slug],
        deps=[chart.key for chart in charts.values()],
        group_name="dashboards",
        kinds={"superset"},
        description=f"{itself['dashboard_title']}: {itself['description']}",
        code_version=version,
    )
    return Board(slug, files, version, spec, charts)


def _told(board: Board, answers: Sequence[Answer]) -> Iterator[dg.MaterializeResult[None]]:
    """What charts that have files have to tell."""
    for answer in answers:
        if spec := board.charts.get(answer.chart.uuid):
            metadata: Metadata = {"rows": answer.rows, **({"error": answer.error} if answer.error else {})}
            yield dg.MaterializeResult(asset_key=spec.key, metadata=metadata)


def _applied_version(context: dg.AssetExecutionContext, board: Board) -> object:
    """The version of the files that were applied last, as far as Dagster knows."""
    last = context.instance.get_latest_materialization_event(board.spec.key)
    known = last.asset_materialization.metadata.get("files") if last and last.asset_materialization else None
    return known.value if known else None
