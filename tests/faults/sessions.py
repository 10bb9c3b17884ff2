"""A drain's sessions in Postgres, ended by the server as after a cut line."""

from __future__ import annotations

from typing import LiteralString

from sensorhouse.settings import Settings
from warehouse.database import connect
from warehouse.locks import Lock

_HOLDS_LOCKS: LiteralString = (
    "pid in (select pid from pg_locks where locktype = 'advisory' and classid = %(lock)s and granted)"
)
_WHICH: dict[str, LiteralString] = {
    # With it goes one in the middle of a transaction, whose rows an heir would wait for.
    "its locks' session": f"({_HOLDS_LOCKS} or xact_start is not null)",
    "its locks' session alone": _HOLDS_LOCKS,
    "all its sessions": "%(lock)s > 0",
}


def end_sessions(settings: Settings, which: str) -> int:
    """Let the server end these sessions of a drain; returns how many."""
    with connect(settings.database_url, autocommit=True) as connection:
        ended = connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            f" where datname = current_database() and pid <> pg_backend_pid() and {_WHICH[which]}",
            {"lock": int(Lock.DRAIN)},
        )
        return len(ended.fetchall())
