"""From the files of a dashboard to Superset's export and back: what a server numbers or remembers is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from assets.dashboard_files import FOLDER, KINDS, NAMED_BY, Object, Objects, charts, from_text, kind

# In the database's file, in place of where a warehouse is; the password is never in a file.
WAREHOUSE = "postgresql+psycopg2://sensorhouse_reader:XXXXXXXXXX@warehouse/warehouse"

# What a file leaves out, and what applying it sets: otherwise a change in the UI would outlive the next apply.
_DEFAULTS: dict[str, Object] = {
    "databases": {
        "cache_timeout": None,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "impersonate_user": False,
        "configuration_method": "sqlalchemy_form",
        "extra": {},
    },
    "datasets": {
        "main_dttm_col": None,
        "currency_code_column": None,
        "description": None,
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": None,
        "catalog": None,
        "sql": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None,
        "normalize_columns": False,
        "always_filter_main_dttm": False,
        "folders": None,
        "metrics": [],
        "columns": [],
    },
    "charts": {
        "description": None,
        "certified_by": None,
        "certification_details": None,
        "query_context": None,
        "cache_timeout": None,
    },
    "dashboards": {
        "description": None,
        "css": (FOLDER / "dashboard.css").read_text(),
        "certified_by": None,
        "certification_details": None,
        "published": True,
        "theme_uuid": None,
    },
}
_COLUMN = {
    "is_dttm": False,
    "is_active": True,
    "advanced_data_type": None,
    "groupby": True,
    "filterable": True,
    "expression": None,
    "description": None,
    "python_date_format": None,
    "datetime_format": None,
    "extra": None,
}
_METRIC = {
    "verbose_name": None,
    "metric_type": None,
    "description": None,
    "d3format": None,
    "currency": None,
    "extra": None,
    "warning_text": None,
}
_QUERY = {
    "annotation_layers": [],
    "applied_time_extras": {},
    "columns": [],
    "custom_form_data": {},
    "custom_params": {},
    "extras": {"having": "", "where": ""},
    "filters": [],
    "group_others_when_limit_reached": False,
    "metrics": None,
    "order_desc": True,
    "post_processing": [],
    "series_columns": [],
    "series_limit": 0,
    "time_offsets": [],
    "url_params": {},
}
# A choice among the values of a column, for every chart.
_FILTER = {
    "type": "NATIVE_FILTER",
    "filterType": "filter_select",
    "description": "",
    "cascadeParentIds": [],
    "controlValues": {
        "enableEmptyFilter": False,
        "defaultToFirstItem": False,
        "inverseSelection": False,
        "multiSelect": True,
        "searchAllOptions": True,
    },
    "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
    "scope": {"rootPath": ["ROOT_ID"], "excluded": []},
}
# What Superset writes down by itself when a dashboard is looked at, and makes anew when it is missing.
_REMEMBERED = {
    "chart_configuration",
    "chartsInScope",
    "color_scheme_domain",
    "default_filters",
    "expanded_slices",
    "global_chart_configuration",
    "map_label_colors",
    "shared_label_colors",
    "show_chart_timestamps",
    "tabsInScope",
    "timed_refresh_immune_slices",
}
_NUMBERS = {"datasource", "slice_id", "dashboards", "chartId"}
_OF_A_REQUEST = {"form_data", "force", "result_format", "result_type"}


def for_server(objects: Objects, database_url: str) -> dict[str, str]:
    """The text that Superset imports, by path: with every default, and the warehouse's address."""
    where = urlsplit(database_url)
    address = WAREHOUSE.replace("warehouse/warehouse", f"{where.hostname}:{where.port or 5432}{where.path}")
    filled = {}
    for path, one in objects.items():
        whole = {**_DEFAULTS[kind(path)], **one, "version": "1.0.0"}
        if kind(path) == "databases" and whole["sqlalchemy_uri"] == WAREHOUSE:
            whole["sqlalchemy_uri"] = address
        if kind(path) == "datasets":
            whole["columns"] = [{**_column(column), **column} for column in whole["columns"]]
            whole["metrics"] = [{**_METRIC, **metric} for metric in whole["metrics"]]
        if kind(path) == "charts" and whole["query_context"]:
            queries = [{**_QUERY, **query} for query in whole["query_context"]["queries"]]
            whole["query_context"] = json.dumps({**whole["query_context"], "queries": queries})
        if kind(path) == "dashboards":
            whole["position"] = _nested(whole["position"])
            chosen = [{**_FILTER, **one} for one in whole["metadata"]["native_filter_configuration"]]
            whole["metadata"] = {**whole["metadata"], "native_filter_configuration": chosen}
        filled[path] = yaml.dump(whole, Dumper=yaml.CSafeDumper, sort_keys=False)
    return filled


def from_server(exported: Mapping[str, str], database_url: str, known: Objects) -> Objects:
    """What a server exports, as files say it; an object that a known file describes keeps that file's path."""
    where = urlsplit(database_url)
    address = f"@{where.hostname}:{where.port or 5432}{where.path}"
    raw = {path: from_text(text) for path, text in exported.items() if kind(path) in KINDS}
    paths = {one["uuid"]: path for path, one in known.items()}
    databases = {one["uuid"]: one["database_name"] for path, one in raw.items() if kind(path) == "databases"}
    objects = {}
    for path in sorted(raw, key=lambda path: (KINDS.index(kind(path)), path)):
        one = _without_numbers(kind(path), raw[path])
        if kind(path) == "databases" and address in one["sqlalchemy_uri"]:
            one["sqlalchemy_uri"] = WAREHOUSE
        objects[paths.get(one["uuid"]) or _new_path(kind(path), one, databases)] = one
    return objects


def _without_numbers(what: str, raw: Object) -> Object:
    one = {name: value for name, value in raw.items() if name != "version"}
    if what == "datasets":
        columns = (_less(column, _column(column)) for column in raw["columns"])
        one["columns"] = sorted(columns, key=lambda column: column["column_name"])
        one["metrics"] = sorted((_less(metric, _METRIC) for metric in raw["metrics"]), key=lambda m: m["metric_name"])
        # The one database that the connection leads to.
        one.pop("catalog", None)
    if what == "charts":
        # An import adds an empty list of annotations, the chart view its kind.
        one["params"] = _less(_without(raw["params"], _NUMBERS), {"annotation_layers": [], "viz_type": raw["viz_type"]})
        if raw.get("query_context"):
            query_context = _without(json.loads(raw["query_context"]), {*_NUMBERS, *_OF_A_REQUEST})
            one["query_context"] = query_context | {
                "queries": [_less(query, _QUERY) for query in query_context["queries"]]
            }
    if what == "dashboards":
        numbers = _numbers(raw["position"])
        one["position"] = _renumbered(raw["position"], numbers)
        one["metadata"] = _without(raw.get("metadata", {}), _REMEMBERED)
        one["metadata"]["native_filter_configuration"] = [
            _less(_renumbered_filter(chosen, numbers), _FILTER)
            for chosen in one["metadata"].get("native_filter_configuration", [])
        ]
    return _less(one, {**_DEFAULTS[what], "tags": []})


def _column(column: Object) -> Object:
    """What a column's line leaves out; people read its name as words."""
    return {**_COLUMN, "verbose_name": column["column_name"].replace("_", " ").capitalize()}


def _less(one: Object, defaults: Object) -> Object:
    return {
        name: value
        for name, value in one.items()
        if name not in defaults or (value or None) != (defaults[name] or None)
    }


def _without(value: Any, names: set[str]) -> Any:
    """The same without these names, at any depth."""
    if isinstance(value, dict):
        return {name: _without(inner, names) for name, inner in value.items() if name not in names}
    return [_without(inner, names) for inner in value] if isinstance(value, list) else value


def _numbers(position: Object) -> dict[int, int]:
    """The server's number of each chart in a layout, and the one that stands for it in a file."""
    return {item["meta"]["chartId"]: number for number, item in enumerate(charts(position), start=1)}


def _renumbered(position: Object, numbers: Mapping[int, int]) -> Object:
    """The layout with other numbers; an import finds charts by their uuid, but wants a number too."""
    layout = {
        name: _less(item, {"id": name, "children": [], "parents": item.get("parents")})
        if isinstance(item, dict)
        else item
        for name, item in sorted(position.items())
    }
    for item in charts(layout):
        item["meta"] = {**item["meta"], "chartId": numbers[item["meta"]["chartId"]]}
    return layout


def _nested(position: Object) -> Object:
    """The layout with what its own nesting says: each item's name, and those that it lies in."""
    items = {name: item for name, item in position.items() if isinstance(item, dict)}
    holders = {child: name for name, item in items.items() for child in item.get("children", [])}

    def parents(name: str) -> list[str]:
        return [*parents(holders[name]), holders[name]] if name in holders else []

    whole = {
        name: {"children": [], **item, "id": name, **({"parents": parents(name)} if name in holders else {})}
        for name, item in items.items()
    }
    return {**position, **whole}


def _renumbered_filter(chosen: Object, numbers: Mapping[int, int]) -> Object:
    excluded = sorted(numbers[old] for old in chosen["scope"]["excluded"] if old in numbers)
    return {**chosen, "scope": {**chosen["scope"], "excluded": excluded}}


def _new_path(what: str, one: Object, databases: Mapping[str, str]) -> str:
    name = _slug(one[NAMED_BY[what]])
    return (
        f"datasets/{_slug(databases[one['database_uuid']])}/{name}.yaml"
        if what == "datasets"
        else f"{what}/{name}.yaml"
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
