"""What /dashboard answers: the metrics and the health of every part, as of a second ago."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

import httpx
from fastapi import APIRouter, Depends, Request

from api.context import one_of
from api.data_plane import exposition
from api.details import Details
from api.health import Part, dagster_parts, lake_part, status, superset_parts, watched_parts
from api.snapshots import Watched
from sensorhouse.beside import beside
from sensorhouse.settings import Settings
from sensors_io.ends import Ends, TopicEnd
from sensors_io.lake import open_lake
from warehouse.accounts import ROLES
from warehouse.data_plane import DataPlane, Sums, data_plane
from warehouse.metrics import Metrics, metrics
from warehouse.pool import connected

if TYPE_CHECKING:
    from warehouse.pool import Pool

LOOK_EVERY_S = 1.0
ASK_OTHERS_EVERY_S = 5.0


@dataclass(frozen=True)
class Snapshot(Metrics):
    """The metrics with what only Kafka knows: `lag` is in messages, by topic; None while Kafka does not tell."""

    lag: dict[str, int | None]


@dataclass(frozen=True)
class Health:
    """`status` is `ok` when every part is healthy, otherwise `degraded`."""

    status: str
    parts: tuple[Part, ...]


def lag(ends: Mapping[str, TopicEnd], next_offsets: Mapping[str, Mapping[int, int]]) -> dict[str, int]:
    """Per topic, how many offsets lie between what the warehouse has loaded and Kafka's end."""
    return {name: end.behind(next_offsets.get(end.topic_id, {})) for name, end in ends.items()}


class Dashboard:
    """Looks at the parts while somebody watches; one for all viewers."""

    def __init__(self, settings: Settings, pool: Pool, client: httpx.AsyncClient) -> None:
        self.settings, self._pool, self._client = settings, pool, client
        self.details = Details(pool)
        self._topics = (settings.orders_topic, settings.readings_topic)
        self._kafka = Ends(settings, self._topics)
        self._lake = open_lake(settings)
        self._metrics = Watched(self._look_at_warehouse, LOOK_EVERY_S)
        # The numbers of the warehouse need not wait for a Kafka that is away.
        self._ends = Watched(self._look_at_kafka, LOOK_EVERY_S, first_within_s=1.0)
        self._sums = Sums()
        self._plane = Watched(self._look_at_data_plane, LOOK_EVERY_S)
        self._others = Watched(self._look_at_others, ASK_OTHERS_EVERY_S)

    async def run(self) -> None:
        """Look until cancelled."""
        async with asyncio.TaskGroup() as group:
            for watched in (self._metrics, self._ends, self._plane, self._others):
                group.create_task(watched.run())

    async def snapshot(self) -> Snapshot:
        """The newest metrics; raises `DependencyDown` while there have never been any."""
        found, _ = await asyncio.gather(self._metrics.latest(), self._ends.refreshed())
        return Snapshot(**vars(found), lag=self._lag(found))

    async def health(self) -> Health:
        """Every part's health as last found out."""
        await asyncio.gather(*(watched.refreshed() for watched in (self._metrics, self._ends, self._others)))
        found = self._metrics.value
        late = [topic_lag for topic_lag in self._lag(found).values() if topic_lag] if found else []
        parts = watched_parts(self._metrics, self._ends, sum(late)) + (self._others.value or ())
        return Health(status(parts), parts)

    async def measures(self) -> bytes:
        """The data plane for Prometheus, as of a second ago, whoever asks and how often; never fails."""
        await asyncio.gather(self._plane.refreshed(), self._ends.refreshed())
        return exposition(
            None if self._plane.problem else self._plane.value, None if self._ends.problem else self._ends.value
        )

    def _lag(self, found: Metrics) -> dict[str, int | None]:
        known = lag(self._ends.value, found.next_offsets) if self._ends.value and not self._ends.problem else {}
        return {name: known.get(name) for name in self._topics}

    async def _look_at_warehouse(self) -> Metrics:
        async with connected(self._pool) as connection:
            return await metrics(connection, self.settings.readings_topic)

    async def _look_at_data_plane(self) -> DataPlane:
        async with connected(self._pool) as connection:
            return await data_plane(connection, self._sums)

    async def _look_at_kafka(self) -> dict[str, TopicEnd]:
        return await asyncio.to_thread(self._kafka.look)

    async def _look_at_others(self) -> tuple[Part, ...]:
        lake, dagster, superset = await asyncio.gather(
            lake_part(self._lake),
            dagster_parts(self._client, self.settings),
            superset_parts(self._client, self.settings),
        )
        return (lake, *dagster, *superset)


@asynccontextmanager
async def watching(settings: Settings, pool: Pool) -> AsyncIterator[Dashboard]:
    """A dashboard that looks for as long as the block lasts; for the app's lifespan."""
    async with httpx.AsyncClient() as client:
        dashboard = Dashboard(settings, pool, client)
        async with beside(dashboard.run()):
            yield dashboard


def of_app(request: Request) -> Dashboard:
    """The app's dashboard, which its lifespan put into its state."""
    return cast("Dashboard", request.app.state.dashboard)


router = APIRouter(prefix="/dashboard", tags=["dashboard"], dependencies=[Depends(one_of(*ROLES))])
Shown = Annotated[Dashboard, Depends(of_app)]


@router.get("/metrics")
async def dashboard_metrics(dashboard: Shown) -> Snapshot:
    """Orders, readings, lag, freshness, anomalies and dead letters, as of a second ago."""
    return await dashboard.snapshot()


@router.get("/health")
async def dashboard_health(dashboard: Shown) -> Health:
    """Each part's health with the reason; always 200, for the answer itself is healthy."""
    return await dashboard.health()
