"""What Superset keeps of what people do in it: the dashboards and charts they opened, and what they changed."""

from __future__ import annotations

from typing import Any

from flask import has_request_context, request
from superset.utils.log import DBEventLogger

READS = ("GET", "HEAD", "OPTIONS")
# Also asked for by POST, though nothing is changed.
QUERIES = "/api/v1/chart/data"
# What is said of a request besides who made it and when. Never its body: that of an import has the database's password.
TOLD = ("path", "url_rule", "object_ref", "event_name", "ts", "dashboard_id", "slice_id")


class EventLog(DBEventLogger):
    """Superset's own keeps four rows for every look at a chart, with all that was asked for, and never drops one."""

    def log(self, user_id: int | None, action: str, *args: Any, **told: Any) -> None:
        """Add a row for each record that is worth one."""
        records = [record for record in told.pop("records", []) if is_kept(action, record)]
        if records:
            kept = [{name: record[name] for name in TOLD if name in record} for record in records]
            super().log(user_id, action, *args, records=kept, **told)


def is_kept(action: str, record: dict[str, Any]) -> bool:
    """Whether somebody opened or changed something by it; `action` is "log" for what a browser tells."""
    if action == "log":
        return str(record.get("event_name")).startswith("mount_")
    return not has_request_context() or (request.method not in READS and request.path != QUERIES)
