"""The local stack's own secrets: made at the first start, kept in the state folder for its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pydantic import SecretStr

from infra.local import places
from sensorhouse.settings import PREFIX, Settings


def with_secrets(settings: Settings) -> Settings:
    """The settings with every secret that the local stack needs; those that are missing are made and written down."""
    made: dict[str, str] = {}
    if settings.postgres_url is None and settings.postgres_password is None:
        made["postgres_password"] = secrets.token_urlsafe(24)
    if settings.jwt_secret is None:
        made["jwt_secret"] = secrets.token_urlsafe(48)
    if settings.superset:
        for name in ("reader_password", "superset_password", "superset_secret_key"):
            if getattr(settings, name) is None:
                made[name] = secrets.token_urlsafe(32)
    if made:
        _append(file(settings), made)
    return settings.model_copy(update={name: SecretStr(value) for name, value in made.items()})


def file(settings: Settings) -> Path:
    """Where they are kept; `Settings.load` reads it."""
    return places.state_dir(settings) / "secrets.env"


def _append(path: Path, made: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w") as secrets_env:
        secrets_env.writelines(f"{PREFIX}{name.upper()}={value}\n" for name, value in made.items())
