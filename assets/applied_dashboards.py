"""The dashboards' files held against a Superset: what differs, applying and exporting them, what charts show."""

from __future__ import annotations

from assets import dashboard_exports, dashboard_files
from assets.dashboard_files import Difference, Objects
from assets.superset import Answer, Superset
from sensorhouse.settings import Settings


def plan(superset: Superset, settings: Settings, objects: Objects) -> list[Difference]:
    """What differs between the files and the server."""
    return dashboard_files.differences(_as_exported(settings, objects), _on_server(superset, settings, objects))


def apply(superset: Superset, settings: Settings, objects: Objects) -> list[Difference]:
    """Let the server have what the files say; returns what that changed. What only the server has stays."""
    changed = [one for one in plan(superset, settings, objects) if one.path in objects]
    files = dashboard_exports.for_server(objects, settings.database_url)
    # Also when nothing differs: passwords can't be compared.
    secrets = {path: settings.reader_sign_in for path in files if dashboard_files.kind(path) == "databases"}
    superset.take(files, secrets)
    return changed


def export(superset: Superset, settings: Settings, objects: Objects) -> list[str]:
    """Write the server's state into the files; returns the paths that changed. No file is removed."""
    return dashboard_files.write(_on_server(superset, settings, objects))


def answers(superset: Superset, slug: str) -> list[Answer]:
    """Each chart's answer, by a query that goes to the database."""
    return [superset.answer(chart) for chart in superset.charts(slug)]


def _on_server(superset: Superset, settings: Settings, objects: Objects) -> Objects:
    return dashboard_exports.from_server(superset.export(), settings.database_url, objects)


def _as_exported(settings: Settings, objects: Objects) -> Objects:
    """The files as a server that has them would export them."""
    exported = dashboard_exports.for_server(objects, settings.database_url)
    return dashboard_exports.from_server(exported, settings.database_url, objects)
