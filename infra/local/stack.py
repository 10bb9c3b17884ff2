"""The local stack: which parts there are, what comes before what, and in which order they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infra.local import dagster, kafka, postgres, services, superset, tools
from infra.local.part import Part, nothing
from sensorhouse.settings import Settings
from sensors_io.kafka import ensure_topics
from warehouse import reader
from warehouse.database import create_database, migrate


@dataclass(frozen=True)
class Stage:
    """Parts that start together, once `prepare` is done and every earlier stage answers."""

    parts: tuple[Part, ...]
    prepare: Callable[[], None] = nothing
    what: str = ""


# Who ends together, first to last: nothing is accepted that can't be kept, and servers outlive their users.
STOP_ORDER = (
    ("api",),
    ("relay", "webserver", "viewers-webserver", "daemon", "superset"),
    ("code-server", "marts-server"),
    ("kafka", "postgres"),
)


def stages(settings: Settings) -> tuple[Stage, ...]:
    """The whole stack, first stage first."""
    first, *others = dagster.code_servers(settings)
    return (
        Stage((postgres.part(settings), kafka.part(settings))),
        Stage(
            (first, services.api(settings), services.relay(settings)),
            prepare=lambda: prepare(settings),
            what="databases and topics",
        ),
        # Whoever asks Dagster's storage first makes its tables; two who do so at once fail.
        Stage(tuple(others)),
        Stage(
            (
                *dagster.webservers(settings),
                dagster.daemon(settings),
                *((superset.part(settings),) if settings.superset else ()),
            )
        ),
    )


def parts(settings: Settings) -> list[Part]:
    """Every part, in the order in which they start."""
    return [part for stage in stages(settings) for part in stage.parts]


def to_fetch(settings: Settings) -> list[str]:
    """What the first start fetches into the cache, which takes a while."""
    missing: dict[str, bool] = {}
    if not settings.kafka_brokers:
        missing |= {"Kafka": tools.jars_folder(settings).exists(), "Java": tools.has_java(settings)}
    if settings.superset and not settings.superset_url:
        missing["Superset"] = tools.superset_folder(settings).exists()
    return [name for name, is_there in missing.items() if not is_there]


def prepare(settings: Settings) -> None:
    """What the parts expect of the servers: databases, their schema, topics."""
    create_database(settings.database_url)
    migrate(settings.database_url)
    create_database(settings.dagster_url)
    if settings.superset:
        create_database(settings.superset_database_url)
        reader.allow(settings.database_url, settings.reader_sign_in)
    ensure_topics(settings)
