"""The dbt project as assets: staging views, then the marts that dashboards read."""

import json
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)

from assets import mart_report
from assets.resources import House
from sensorhouse.settings import Settings
from warehouse.database import Connection, connect

PROJECT = DbtProject(Path(__file__).parent.parent / "dbt")
# The one beside our Python: whoever starts us need not have it on the search path.
DBT = Path(sysconfig.get_path("scripts")) / "dbt"


def _is_view(node: Mapping[str, Any]) -> bool:
    return bool(node.get("config", {}).get("materialized") == "view")


def _table(node: Mapping[str, Any]) -> mart_report.Table:
    return node["schema"], node.get("identifier") or node["alias"]


class Translator(DagsterDbtTranslator):
    """Models are grouped by their folder; a source is the asset that writes it."""

    def __init__(self) -> None:
        # `staged_keys` is written together with `readings`: two sources, one asset.
        super().__init__(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """`staging` or `marts`."""
        folder: str = dbt_resource_props["fqn"][1]
        return folder

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """What one row is; dagster-dbt's own adds the SQL, which is in the repository."""
        description: str = dbt_resource_props["description"]
        return description

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """As dagster-dbt makes it, with a kind that tells a view from a table."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        kind = "view" if _is_view(self.get_resource_props(manifest, unique_id)) else "table"
        return spec.merge_attributes(kinds={kind})


def manifest(project: DbtProject = PROJECT) -> Path:
    """The manifest of dbt; made anew when there is none or a model changed since."""
    path = project.manifest_path
    sources = [project.project_dir / "dbt_project.yml"]
    sources += [file for folder in ("models", "macros") for file in (project.project_dir / folder).rglob("*.*")]
    if not path.exists() or path.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            dbt = DbtCliResource(project_dir=str(project.project_dir), dbt_executable=str(DBT))
            dbt.cli(["parse", "--quiet"], target_path=Path(folder)).wait()
            # At once, for processes that read it meanwhile.
            (Path(folder) / "manifest.json").replace(path)
    return path


def dbt_environment(settings: Settings) -> dict[str, str]:
    """What `dbt/profiles.yml` reads, for someone who runs dbt at a shell."""
    output = _output(settings.database_url)
    names = {
        "host": "HOST",
        "port": "PORT",
        "user": "USER",
        "password": "PASSWORD",
        "dbname": "DATABASE",
    }
    return {f"SENSORHOUSE_DBT_{name}": str(output[key]) for key, name in names.items()}


@contextmanager
def profiles(settings: Settings) -> Iterator[Path]:
    """A folder, ours alone and gone afterwards, with a dbt profile for the warehouse."""
    with tempfile.TemporaryDirectory(prefix="sensorhouse-dbt-") as name:
        folder = Path(name)
        output = _output(settings.database_url)
        # The braces of a password are not for dbt to render.
        output["password"] = f"{{% raw %}}{output['password']}{{% endraw %}}"
        profile = {"target": "warehouse", "outputs": {"warehouse": output}}
        (folder / "profiles.yml").write_text(json.dumps({"sensorhouse": profile}))
        yield folder


MANIFEST: dict[str, Any] = json.loads(manifest().read_bytes())
_NODES = MANIFEST["sources"] | MANIFEST["nodes"]
_TRANSLATOR = Translator()


@dbt_assets(
    manifest=MANIFEST,
    project=PROJECT,
    dagster_dbt_translator=_TRANSLATOR,
    name="marts",
)
def marts(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> Iterator[Any]:
    """Build the chosen models and test them; a failing test shows as a failed asset check."""
    with profiles(house.settings) as folder, connect(house.settings.database_url, autocommit=True) as connection:
        dbt = DbtCliResource(
            project_dir=str(PROJECT.project_dir),
            profiles_dir=str(folder),
            dbt_executable=str(DBT),
        )
        # Unit tests are for those who change a model, not for every build.
        build = ["build", "--exclude-resource-type", "unit_test"]
        target = folder / "target"
        for event in dbt.cli(build, context=context, target_path=target).stream():
            if isinstance(event, dg.Output):
                more = _metadata(connection, str(event.metadata["unique_id"].value), target)
                yield event.with_metadata({**event.metadata, **more})
            else:
                yield event


def _metadata(connection: Connection, model: str, target: Path) -> dict[str, Any]:
    """What a model that was just built tells; `target` is where dbt put its SQL as it ran."""
    node = _NODES[model]
    compiled = target / "compiled" / node["package_name"] / node["original_file_path"]
    parents = {
        _table(parent): _TRANSLATOR.get_asset_key(parent)
        for parent in (_NODES[name] for name in node["depends_on"]["nodes"])
    }
    counted = {} if _is_view(node) else mart_report.row_count(connection, _table(node))
    return counted | mart_report.lineage(connection, _table(node), compiled.read_text(), parents)


def _output(url: str) -> dict[str, str | int]:
    parts = urlsplit(url)
    optional = {key: values[-1] for key, values in parse_qs(parts.query).items() if key.startswith("ssl")}
    return {
        "type": "postgres",
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 5432,
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path.lstrip("/")),
        "schema": "public",
        "threads": 2,
        **optional,
    }
