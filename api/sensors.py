"""Readings, episodes and statistics, for anyone who is signed in."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field, TypeAdapter, model_validator

from api import cursors, document, history, links, media_types
from api.context import Reach, signed_in
from api.fields import Cursor, Instant, Strict, Word
from api.problems import problem
from api.reading_pages import CSV, READING_TYPES, written
from sensors_io.reading import ARROW, JSON, NDJSON
from warehouse import episodes, readings
from warehouse.episodes import Asked
from warehouse.pool import connected
from warehouse.readings import Selection

# Written in less time than it takes to hand it to a thread on a busy machine.
SHORT_PAGE = 2_000

_EPISODE: TypeAdapter[episodes.Position] = TypeAdapter(episodes.Position)
_POSITION: TypeAdapter[readings.Position] = TypeAdapter(readings.Position)
_SENSOR: TypeAdapter[tuple[str, str]] = TypeAdapter(tuple[str, str])

# Every role may read: sensors stand in the maker's own plants and belong to no customer, and a customer judges by
# their readings what they buy.
router = APIRouter(prefix="/sensors", tags=["sensors"], dependencies=[Depends(signed_in)])


class Times(Strict):
    """From `start`, up to and not including `end`."""

    start: Instant | None = None
    end: Instant | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Times:
        if self.start and self.end and self.start > self.end:
            raise ValueError("start is after end")
        return self


class TypeQuery(Times):
    """Of one sensor type, or of all."""

    sensor_type: Word | None = None


class StatisticsQuery(TypeQuery):
    """Which sensors, and the page."""

    sensor_id: Word | None = None
    metric: Word | None = None
    limit: int = Field(1000, ge=1, le=1000)
    cursor: Cursor | None = None


Kind = Literal["spike", "shift", "drift", "stuck", "drop_out", "noise", "shape", "out_of_spec"]
Tier = Literal["online", "batch"]
Verdict = Literal["confirmed", "corrected", "withdrawn"]


class EpisodeQuery(StatisticsQuery):
    """Which episodes, by when they began, and the page.

    With `settled`, also those that the batch detector's own stand for, and those that it withdrew.
    """

    kind: Kind | None = None
    tier: Tier | None = None
    settled: bool = False
    limit: int = Field(100, ge=1, le=1000)


class CountQuery(TypeQuery):
    """Which episodes, by when they began."""

    sensor_id: Word | None = None
    metric: Word | None = None
    kind: Kind | None = None
    tier: Tier | None = None


class ReadingQuery(StatisticsQuery):
    """Which readings, and the page."""

    anomalies_only: bool = False
    limit: int = Field(100, ge=1, le=10_000)


class Reading(BaseModel):
    """A staged reading: the newest of its sensor, metric and event time.

    It is an anomaly while it lies in an episode that stands; `score` is then the episode's `peak_score`, else null.
    """

    sensor_id: str
    sensor_type: str
    metric: str
    event_time: datetime
    value: float
    unit: str
    quality: int | None
    station: str | None
    attributes: dict[str, Any] | None
    ingested_at: datetime
    is_anomaly: bool
    score: float | None


class ReadingPage(BaseModel):
    """Readings, oldest first; `next` is the cursor of the next page, or null."""

    items: list[Reading]
    next: str | None


_READING = {
    "sensor_id": "tmp-0001",
    "sensor_type": "temperature",
    "metric": "temperature",
    "event_time": "2026-01-15T08:30:00Z",
    "value": 71.3,
    "unit": "F",
    "quality": None,
    "station": None,
    "ingested_at": "2026-01-15T08:30:01.204Z",
    "is_anomaly": False,
    "score": None,
    "attributes": None,
}
_ROWS = """\
sensor_id,sensor_type,metric,event_time,value,unit,quality,station,ingested_at,is_anomaly,score,attributes
tmp-0001,temperature,temperature,2026-01-15T08:30:00.000000Z,71.3,F,,,2026-01-15T08:30:01.204000Z,false,,
"""
_ANSWERS = {
    "description": "The page, in the form that `Accept` chose.",
    "headers": document.NEXT_PAGE_HEADER,
    "links": document.next_page("list_readings"),
    "content": {
        JSON: {"example": {"items": [_READING], "next": None}},
        NDJSON: {"schema": {"type": "string"}, "example": orjson.dumps(_READING).decode() + "\n"},
        CSV: {"schema": {"type": "string"}, "example": _ROWS},
        # Bytes have no example in text: the columns are CSV's.
        ARROW: {"schema": {"type": "string", "format": "binary"}, "example": "(an Arrow stream with the same columns)"},
    },
}
_VARY = {"vary": "Accept"}


class Episode(BaseModel):
    """Where a sensor's metric was abnormal, from `started_at` to `ended_at`, most of all at `peak_at`.

    The online detector notices while readings flow; the batch detector judges a day against the sensor's past. Its
    `peak_score` is in units of the sensor's own threshold. An online episode that it has settled has a `verdict`:
    `confirmed` or `corrected` by the episode that `settled_by` names, or `withdrawn`. `peak_value` is null for what
    was not measured.
    """

    episode_id: UUID
    sensor_id: str
    sensor_type: str
    metric: str
    unit: str
    kind: Kind
    started_at: datetime
    peak_at: datetime
    ended_at: datetime
    readings: int
    peak_score: float
    peak_value: float | None
    tier: Tier
    noticed_at: datetime
    verdict: Verdict | None
    settled_by: UUID | None
    settled_at: datetime | None


class EpisodePage(BaseModel):
    """Episodes, the newest first; `next` is the cursor of the next page, or null."""

    items: list[Episode]
    next: str | None


class EpisodeCount(BaseModel):
    """How many episodes stand, in all, by sensor type and by kind."""

    count: int
    by_type: dict[str, int]
    by_kind: dict[str, int]


class Statistics(BaseModel):
    """What one sensor's metric did; a sensor whose unit changed has one of these per unit. `std` is the sample's."""

    sensor_id: str
    sensor_type: str
    metric: str
    unit: str
    count: int
    mean: float
    min: float
    max: float
    std: float | None
    last: float
    last_at: datetime


class StatisticsPage(BaseModel):
    """Statistics by sensor and metric; `next` is the cursor of the next page, or null."""

    items: list[Statistics]
    next: str | None


@router.get("/data", response_model=ReadingPage, responses={200: _ANSWERS}, openapi_extra={"x-demo-user": "vera"})
async def list_readings(request: Request, query: Annotated[ReadingQuery, Query()], services: Reach) -> Response:
    """Readings, oldest first. Name a sensor or a time: all of everything is a lot.

    `Accept` chooses the form: JSON, NDJSON, CSV or an Arrow stream. The header `Link: <…>; rel="next"` names the next
    page, as long as there is one; in JSON its cursor is `next` as well.
    """
    media_type = media_types.best(request.headers.getlist("accept"), READING_TYPES)
    if media_type is None:
        detail = f"accept {', '.join(READING_TYPES[:-1])} or {READING_TYPES[-1]}"
        return problem(request.scope, 406, detail, headers=_VARY, offered=READING_TYPES)
    after = cursors.read(query.cursor, _POSITION)
    found = await history.page(
        services, _selection(query), anomalies_only=query.anomalies_only, after=after, limit=query.limit + 1
    )
    # One more than `limit` was asked for, to know whether there is a next page.
    page = found.head(query.limit)
    last = page.row(-1, named=True) if found.height > query.limit else None
    cursor = cursors.write((last["event_time"], last["sensor_id"], last["metric"])) if last else None
    if page.height <= SHORT_PAGE:
        content = written(page, media_type, cursor)
    else:
        content = await to_thread.run_sync(written, page, media_type, cursor)
    headers = _VARY | links.next_page(request.url.path, request.url.query, cursor)
    return Response(content, headers=headers, media_type=media_type)


@router.get(
    "/anomalies",
    response_model=EpisodePage,
    responses={200: {"links": document.next_page("list_anomalies")}},
    openapi_extra={"x-demo-user": "vera"},
)
async def list_anomalies(query: Annotated[EpisodeQuery, Query()], services: Reach) -> Response:
    """Where sensors were abnormal, the newest first."""
    after = cursors.read(query.cursor, _EPISODE)
    asked = Asked(_selection(query), query.kind, query.tier, query.settled)
    async with connected(services.pool) as connection:
        found = await episodes.listed(connection, asked, after=after, limit=query.limit + 1)
    items, more = found[: query.limit], len(found) > query.limit
    cursor = cursors.write((items[-1]["started_at"], items[-1]["episode_id"])) if more else None
    return _json({"items": items, "next": cursor})


@router.get("/anomalies/count", openapi_extra={"x-demo-user": "vera"})
async def count_anomalies(query: Annotated[CountQuery, Query()], services: Reach) -> EpisodeCount:
    """How many episodes stand."""
    chosen = Selection(query.sensor_id, query.sensor_type, query.metric, query.start, query.end)
    async with connected(services.pool) as connection:
        found = await episodes.counted(connection, Asked(chosen, query.kind, query.tier))
    by_type: Counter[str] = Counter()
    by_kind: Counter[str] = Counter()
    for (sensor_type, kind), count in found.items():
        by_type[sensor_type] += count
        by_kind[kind] += count
    return EpisodeCount(count=by_type.total(), by_type=by_type, by_kind=by_kind)


@router.get(
    "/stats",
    response_model=StatisticsPage,
    responses={200: {"links": document.next_page("statistics")}},
    openapi_extra={"x-demo-user": "vera"},
)
async def statistics(query: Annotated[StatisticsQuery, Query()], services: Reach) -> Response:
    """Count, mean, min, max, standard deviation and last value per sensor and metric."""
    after = cursors.read(query.cursor, _SENSOR)
    rows, last = await history.statistics(services, _selection(query), after=after, limit=query.limit)
    return _json({"items": rows, "next": cursors.write(last) if last else None})


def _selection(query: StatisticsQuery) -> Selection:
    return Selection(query.sensor_id, query.sensor_type, query.metric, query.start, query.end)


def _json(content: object) -> Response:
    # Up to 10,000 rows that come as they are from the warehouse: checking each again would cost more than the query.
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), media_type="application/json")
