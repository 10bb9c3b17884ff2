"""The local Superset: in an environment of its own, its metadata in the same Postgres."""

from __future__ import annotations

import sys
from urllib.error import URLError
from urllib.request import urlopen

from infra.local import places, services, tools
from infra.local.part import Part, bare_environment
from infra.local.ports import Port
from sensorhouse.settings import Settings

SERVE = places.CHECKOUT / "infra" / "superset" / "serve.py"
# It takes the processor for half a minute when it starts, and nobody's order shall wait for that.
BEHIND = 5


def part(settings: Settings) -> Part:
    """The server on `superset_port`, or the one that `superset_url` names; the stack is up without it."""
    if settings.superset_url:
        return Part(
            "superset",
            command=None,
            is_ready=lambda _: answers(settings),
            address=settings.superset_address,
            is_awaited=False,
        )
    host, port = settings.superset_host, settings.superset_port
    return Part(
        name="superset",
        # The script's folder comes first on Python's path, so that its superset_config.py is found.
        command=lambda: [tools.superset(settings), SERVE],
        is_ready=lambda _: answers(settings),
        environment=lambda: environment(settings),
        address=settings.superset_address,
        ports=(Port(port, "SUPERSET_PORT", host),),
        prepare=lambda: (places.state_dir(settings) / "superset").mkdir(parents=True, exist_ok=True),
        niceness=BEHIND,
        is_awaited=False,
        ready_within_s=180,
        stop_within_s=3,
    )


def environment(settings: Settings) -> dict[str, str]:
    """What Superset is told: where its database is, and its secrets; none of our settings."""
    assert settings.superset_secret_key
    return bare_environment(settings) | {
        "PYTHONUNBUFFERED": "1",
        "SUPERSET_HOME": str(places.state_dir(settings) / "superset"),
        "SUPERSET_BIND": f"{settings.superset_host}:{settings.superset_port}",
        "SUPERSET_DATABASE_URL": settings.superset_database_url,
        "SUPERSET_SECRET_KEY": settings.superset_secret_key.get_secret_value(),
        "SUPERSET_SIGN_IN_HOURS": str(settings.sign_in_hours),
        "SUPERSET_ACCOUNTS_URL": services.url(settings),
        "SUPERSET_ADMIN": settings.superset_user,
        "SUPERSET_ADMIN_PASSWORD": settings.superset_sign_in,
    }


def answers(settings: Settings) -> bool:
    """Whether it says that it is well."""
    try:
        with urlopen(f"{settings.superset_address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


if __name__ == "__main__":
    sys.stdout.write(f"{tools.superset(Settings.load())}\n")
