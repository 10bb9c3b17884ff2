"""Superset's REST API: whole dashboards in and out as files, and the data of a chart."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import yaml

from sensorhouse.errors import DashboardsUnusable, DependencyDown, NotFound
from sensorhouse.settings import Settings

TIMEOUT_S = 60.0
LOOKS_FOR_S = 5.0


@dataclass(frozen=True)
class Chart:
    """A chart as a dashboard shows it; `query` is what its data is asked with, None until it was saved once."""

    chart_id: int
    uuid: str
    name: str
    query: Mapping[str, Any] | None


@dataclass(frozen=True)
class Answer:
    """What a chart's query came to: rows, or why there are none."""

    chart: Chart
    rows: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Superset:
    """A signed-in session."""

    url: str
    http: httpx.Client

    def export(self) -> dict[str, str]:
        """Every database, dataset, chart and dashboard: path to YAML."""
        with zipfile.ZipFile(io.BytesIO(self.ask("GET", "/api/v1/assets/export/").content)) as bundle:
            return {name.partition("/")[2]: bundle.read(name).decode() for name in bundle.namelist()}

    def take(self, files: Mapping[str, str], passwords: Mapping[str, str]) -> None:
        """Make or overwrite what the files describe, all of it or nothing; `passwords` by a database's path."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
            for path, text in {
                "metadata.yaml": yaml.safe_dump({"version": "1.0.0", "type": "assets"}),
                **files,
            }.items():
                bundle.writestr(f"assets/{path}", text)
        self.ask(
            "POST",
            "/api/v1/assets/import/",
            files={"bundle": ("assets.zip", packed.getvalue(), "application/zip")},
            data={"passwords": json.dumps(dict(passwords))},
        )

    def charts(self, dashboard: str) -> list[Chart]:
        """The charts of a dashboard, by its slug or uuid, in the order of their names; raises `NotFound`."""
        found = self.ask("GET", f"/api/v1/dashboard/{dashboard}").json()["result"]
        layout = json.loads(found["position_json"] or "{}").values()
        shown = [one["meta"] for one in layout if isinstance(one, dict) and one.get("type") == "CHART"]
        period = default_period(json.loads(found["json_metadata"] or "{}"))
        return sorted(
            (self._chart(one["chartId"], one.get("uuid", ""), period) for one in shown), key=lambda chart: chart.name
        )

    def answer(self, chart: Chart) -> Answer:
        """Run a chart's query in the database; its answer is what later ones find in the cache."""
        if chart.query is None:
            return Answer(chart, error="has no saved query: open it in Superset once, and export")
        asked = {**chart.query, "force": True, "result_format": "json", "result_type": "full"}
        try:
            results = self.ask("POST", "/api/v1/chart/data", json=asked).json()["result"]
        except (DashboardsUnusable, NotFound) as error:
            return Answer(chart, error=str(error))
        errors = [one["error"] for one in results if one.get("error")]
        rows = sum(one.get("rowcount") or 0 for one in results)
        return Answer(chart, rows, errors[0] if errors else None)

    def _chart(self, chart_id: int, uuid: str, period: str | None) -> Chart:
        found = self.ask("GET", f"/api/v1/chart/{chart_id}").json()["result"]
        query = json.loads(found["query_context"] or "null")
        return Chart(chart_id, uuid, found["slice_name"], within(query, period) if query and period else query)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request; raises `NotFound`, `DashboardsUnusable` with what Superset says, or `DependencyDown`."""
        try:
            answer = self.http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise DependencyDown(f"Superset at {self.url} does not answer: {error}") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotFound(f"Superset has no {path}")
        if answer.is_server_error and answer.status_code != httpx.codes.INTERNAL_SERVER_ERROR:
            raise DependencyDown(f"Superset at {self.url} answers {answer.status_code}")
        if answer.is_error:
            raise DashboardsUnusable(f"Superset refuses {method} {path}: {told(answer)}")
        return answer


@contextmanager
def sign_in(settings: Settings) -> Iterator[Superset]:
    """A session of `superset_user`; raises `DependencyDown` when no Superset answers."""
    url = settings.superset_address
    # Else it tells an error as a page.
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, headers={"accept": "application/json"}) as http:
        superset = Superset(url, http)
        who = {"username": settings.superset_user, "password": settings.superset_sign_in, "provider": "db"}
        token = superset.ask("POST", "/api/v1/security/login", json=who).json()["access_token"]
        http.headers["authorization"] = f"Bearer {token}"
        # It wants this too, and the page that the request would come from.
        http.headers["x-csrftoken"] = superset.ask("GET", "/api/v1/security/csrf_token/").json()["result"]
        http.headers["referer"] = url
        yield superset


def require_well(settings: Settings) -> None:
    """Raise `DependencyDown` unless there is a Superset that says it is well."""
    url = settings.superset_address
    try:
        answer = httpx.get(f"{url}/health", timeout=LOOKS_FOR_S)
    except httpx.HTTPError as error:
        raise DependencyDown(f"Superset at {url} does not answer: {error}") from error
    if not answer.is_success:
        raise DependencyDown(f"Superset at {url} answers {answer.status_code}")


def default_period(metadata: Mapping[str, Any]) -> str | None:
    """The time range that a dashboard is opened with."""
    for chosen in metadata.get("native_filter_configuration", []):
        if period := (chosen.get("defaultDataMask") or {}).get("extraFormData", {}).get("time_range"):
            return str(period)
    return None


def within(query: Mapping[str, Any], period: str) -> dict[str, Any]:
    """A chart's query as a dashboard with this time range asks it."""

    def limited(one: Mapping[str, Any]) -> dict[str, Any]:
        filters = [{**what, "val": period} if what["op"] == "TEMPORAL_RANGE" else what for what in one["filters"]]
        return {**one, "filters": filters, "time_range": period}

    return {**query, "queries": [limited(one) for one in query["queries"]]}


def told(answer: httpx.Response) -> str:
    """Why Superset refused, as far as it says."""
    try:
        body = answer.json()
    except ValueError:
        return f"status {answer.status_code}"
    errors = body.get("errors") or [{"message": body.get("message") or body}]
    return "; ".join(f"{one.get('message')} {_details(one.get('extra'))}".strip() for one in errors)


def _details(extra: Any) -> str:
    """What an import says of each file."""
    files = {path: why for path, why in (extra or {}).items() if path.endswith(".yaml")}
    return ", ".join(f"{path}: {why}" for path, why in files.items())
