"""Dashboards as files: read, written, and held against what a server has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sensorhouse.errors import DashboardsUnusable

FOLDER = Path(__file__).parent.parent / "infra" / "superset" / "assets"
# What the folders of an export hold, in the order in which one needs the other.
KINDS = ("databases", "datasets", "charts", "dashboards")
NAMED_BY = {
    "databases": "database_name",
    "datasets": "table_name",
    "charts": "slice_name",
    "dashboards": "dashboard_title",
}

Object = dict[str, Any]
Objects = dict[str, Object]


@dataclass(frozen=True)
class Difference:
    """One object that isn't the same in the files and on the server."""

    path: str
    name: str
    what: str


def read(folder: Path = FOLDER) -> Objects:
    """The objects of a folder, by path; raises `DashboardsUnusable` for one that names another which isn't there."""
    paths = sorted(path for kind in KINDS for path in (folder / kind).rglob("*.yaml"))
    objects = {path.relative_to(folder).as_posix(): from_text(path.read_text()) for path in paths}
    known = {one["uuid"] for one in objects.values()}
    for path, one in objects.items():
        if missing := sorted(set(_named(one)) - known):
            raise DashboardsUnusable(f"{path} names what no file describes: {', '.join(missing)}")
    return objects


def write(objects: Objects, folder: Path = FOLDER) -> list[str]:
    """Write each object to its file; returns the paths whose text has changed."""
    changed = []
    for path, one in objects.items():
        file, text = folder / path, _as_text(one)
        if not file.exists() or file.read_text() != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            changed.append(path)
    return changed


def of_dashboard(objects: Objects, slug: str) -> Objects:
    """A dashboard's own file, and those of everything that it shows."""
    by_uuid = {one["uuid"]: path for path, one in objects.items()}
    wanted = [path for path, one in objects.items() if kind(path) == "dashboards" and one["slug"] == slug]
    for path in wanted:
        wanted += [by_uuid[uuid] for uuid in _named(objects[path]) if by_uuid[uuid] not in wanted]
    return {path: one for path, one in objects.items() if path in wanted}


def slugs(objects: Objects) -> list[str]:
    """What the dashboards are called in their addresses."""
    return sorted(one["slug"] for path, one in objects.items() if kind(path) == "dashboards")


def kind(path: str) -> str:
    """What a path's object is: databases, datasets, charts or dashboards."""
    return path.partition("/")[0]


def charts(position: Object) -> list[Object]:
    """The items of a layout that are charts."""
    items = [item for _, item in sorted(position.items())]
    return [item for item in items if isinstance(item, dict) and item.get("type") == "CHART"]


def from_text(text: str) -> Object:
    """The object that a file describes."""
    # The one in C: every process of Dagster's reads all the files, and the other takes a second for it.
    read: Object = yaml.load(text, Loader=yaml.CSafeLoader)
    return read


def differences(ours: Objects, theirs: Objects) -> list[Difference]:
    """What applying would change, then what only the server has, which it leaves alone."""
    found = []
    for path, one in ours.items():
        name = one[NAMED_BY[kind(path)]]
        if path not in theirs:
            found.append(Difference(path, name, "is not on the server"))
        elif changed := sorted(_changed(one, theirs[path])):
            found.append(Difference(path, name, f"differs in {', '.join(changed)}"))
    only = [path for path in theirs if path not in ours]
    return found + [Difference(path, theirs[path][NAMED_BY[kind(path)]], "is on the server only") for path in only]


def _as_text(one: Object) -> str:
    """What has no parts that have parts stands on a line."""
    text: str = yaml.safe_dump(one, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    return text


def _named(one: Object) -> Iterator[str]:
    """The uuids of the objects that this one is made from."""
    yield from (one[name] for name in ("database_uuid", "dataset_uuid") if name in one)
    for item in charts(one.get("position", {})):
        yield item["meta"]["uuid"]
    for chosen in one.get("metadata", {}).get("native_filter_configuration", []):
        yield from (target["datasetUuid"] for target in chosen.get("targets", []) if "datasetUuid" in target)


def _changed(ours: Any, theirs: Any, at: str = "") -> Iterator[str]:
    """Where two values differ: names joined by dots."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from _changed(ours.get(name), theirs.get(name), f"{at}.{name}" if at else name)
    elif ours != theirs:
        yield at
