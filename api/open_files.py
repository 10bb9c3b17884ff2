"""Each connection is an open file: the server may have as many as the system lets it, not as many as a shell."""

from __future__ import annotations

import resource


def allow_open_files() -> None:
    """Raise the process's limit of open files to what the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
