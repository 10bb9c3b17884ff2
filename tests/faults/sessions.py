"""A drain's sessions in Postgres, ended by the server as after a cut line."""

from __future__ import annotations

from sensorhouse.settings import Settings
from warehouse.database import connect
from warehouse.locks import Lock


def end_sessions(settings: Settings, which: str) -> int:
    """Let the server end the sessions that a drain has: those that hold its locks, or all; returns how many."""
    holds = (
        "pid in (select pid from pg_locks where locktype = 'advisory' and classid = %s and granted)"
        if which == "its locks' session"
        else "%s > 0"
    )
    with connect(settings.database_url, autocommit=True) as connection:
        ended = connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            f" where datname = current_database() and pid <> pg_backend_pid() and {holds}",
            [int(Lock.DRAIN)],
        )
        return len(ended.fetchall())
