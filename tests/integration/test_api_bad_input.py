"""Whatever a client sends: a problem document, nothing kept, and the next request works."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import polars as pl
import pytest
import pytest_asyncio

from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.arrow_codec import encode
from sensors_io.codecs import decode_upload
from sensors_io.reading import ARROW, JSON, NDJSON
from tests.api import Api, assert_problem, serving
from tests.compressed import COMPRESS
from tests.readings import reading
from tests.servers import Servers
from warehouse.accounts import seed_demo

ORDER = {"sku": "TMP-100", "quantity": 1}
WHOLE_ARROW = encode(decode_upload(json.dumps([reading(f"probe-{i}") for i in range(100)]).encode(), JSON).readings)


# One app for all of them: that the next request works is part of what is tested.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def demo(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = servers.new_settings(state_dir=tmp_path_factory.mktemp("state"))
    seed_demo(settings.database_url)
    yield settings
    servers.drop(settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(demo: Settings) -> AsyncIterator[Api]:
    async with serving(demo) as api:
        yield api


def kept(api: Api) -> tuple[object, ...]:
    """How much the warehouse and Kafka hold."""
    counts = api.rows(
        "select (select count(*) from orders), (select count(*) from order_events), (select count(*) from outbox),"
        " (select count(*) from users), (select count(*) from customers)"
    )
    client = kafka.admin(api.settings)
    ranges = kafka.log_ranges(client, kafka.describe(client, api.settings.readings_topic))
    return (*counts, sum(held.high_watermark for held in ranges.values()))


@pytest_asyncio.fixture(loop_scope="module")
async def untouched(api: Api) -> AsyncIterator[Api]:
    """The API, which afterwards must have kept nothing and still take an order and a reading."""
    before = kept(api)
    yield api
    assert kept(api) == before
    assert (await api("POST", "/orders/", "ada", json=ORDER)).status_code == 201
    assert (await api("POST", "/sensors/data", "gateway", json=[reading()])).status_code == 202


def order(**changes: object) -> bytes:
    return json.dumps(ORDER | changes).encode()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (order(priority="high"), "#/priority"),
        (order(quantity="1"), "#/quantity"),
        (order(quantity=True), "#/quantity"),
        (order(quantity=1.5), "#/quantity"),
        (order(quantity=0), "#/quantity"),
        (order(quantity=2**31), "#/quantity"),
        (order(quantity=float("nan")), "#/quantity"),
        (order(quantity=float("inf")), "#/quantity"),
        (order(requested_for="20000-01-01"), "#/requested_for"),
        (order(requested_for="2027-02-30"), "#/requested_for"),
        (order(requested_for=1700000000), "#/requested_for"),
        (order(sku="TMP\x00"), "#/sku"),
        (order(sku="x" * 129), "#/sku"),
        (order(sku=""), "#/sku"),
        (order(sku=None), "#/sku"),
        (order(notes="nul \x00"), "#/notes"),
        (order(notes="x" * 2001), "#/notes"),
        (b'{"quantity": 1}', "#/sku"),
        (b'{"sku": "\\ud800", "quantity": 1}', "#/sku"),
        (b'{"sku": "TMP-100", "quantity": 1e400}', "#/quantity"),
        (b'{"sku": "TMP-100",', "#"),
        (b"[]", "#"),
        (b"", "#"),
    ],
)
async def test_an_order_that_cannot_be_is_refused_by_field(untouched: Api, body: bytes, pointer: str) -> None:
    response = await untouched("POST", "/orders/", "ada", content=body, headers={"content-type": JSON})
    errors = assert_problem(response, 422)["errors"]
    assert [error["pointer"] for error in errors] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        b'{"sku": "\xff", "quantity": 1}',
        b'{"sku": "TMP-100", "quantity": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
    ids=["invalid UTF-8", "a number of 5,000 digits", "deeply nested"],
)
async def test_an_order_that_is_no_json_is_a_bad_request(untouched: Api, body: bytes) -> None:
    response = await untouched("POST", "/orders/", "ada", content=body, headers={"content-type": JSON})
    assert_problem(response, 400)


async def test_an_order_of_another_content_type_is_told_which_is_taken(untouched: Api) -> None:
    problem = assert_problem(await untouched("POST", "/orders/", "ada", data={"sku": "TMP-100"}), 415)
    assert JSON in problem["detail"]


@pytest.mark.parametrize("kind", [JSON, NDJSON, ARROW])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\x00", b'{"readings": [', b"[[[[", b"\xff\xfe", WHOLE_ARROW[: len(WHOLE_ARROW) // 2], b"null", b"7"],
    ids=[
        "nothing",
        "a brace",
        "a NUL",
        "half an array",
        "brackets",
        "invalid UTF-8",
        "half a stream",
        "null",
        "a number",
    ],
)
async def test_an_upload_that_cannot_be_read_is_refused_as_a_whole(untouched: Api, kind: str, body: bytes) -> None:
    response = await untouched("POST", "/sensors/data", "gateway", content=body, headers={"content-type": kind})
    assert_problem(response, 422)


@pytest.mark.parametrize(
    "bad",
    [
        {key: value for key, value in reading().items() if key != "sensor_id"},
        reading(value=float("nan")),
        reading(value="warm"),
        reading(event_time="20000-01-01T00:00:00Z"),
        reading(event_time="yesterday"),
        reading(sensor_type="unheard-of"),
        reading(sensor_id="nul\x00"),
        reading(sensor_id=7),
        reading(quality=2**40),
        7,
        None,
    ],
)
async def test_a_reading_that_cannot_be_is_refused_with_its_place_and_the_reason(untouched: Api, bad: Any) -> None:
    problem = assert_problem(await untouched("POST", "/sensors/data", "gateway", content=json.dumps([bad])), 422)
    assert [reading["index"] for reading in problem["rejected"]] == [0]
    assert problem["rejected"][0]["reason"]


async def test_an_upload_of_an_unknown_content_type_is_told_which_are_taken(untouched: Api) -> None:
    headers = {"content-type": "text/csv"}
    problem = assert_problem(await untouched("POST", "/sensors/data", "gateway", content=b"a,b", headers=headers), 415)
    assert ARROW in problem["detail"]


@pytest.mark.parametrize("path", ["/sensors/data", "/orders/", "/auth/register"])
@pytest.mark.parametrize("announced", [True, False], ids=["with a length", "in chunks"])
async def test_a_body_of_50_mb_is_refused_before_all_of_it_came(untouched: Api, path: str, announced: bool) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(50):
            sent += 1 << 20
            yield b" " * (1 << 20)

    headers = {"content-type": JSON} | ({"content-length": str(50 << 20)} if announced else {})
    response = await untouched("POST", path, "olivia", content=body(), headers=headers)
    assert assert_problem(response, 413)["title"] == "Too large"
    assert sent <= untouched.settings.max_body_bytes + (2 << 20)


@pytest.mark.parametrize("coding", COMPRESS)
async def test_a_bomb_is_refused_at_the_size_that_a_body_may_have(untouched: Api, coding: str) -> None:
    bomb = COMPRESS[coding](b" " * (64 << 20))
    assert len(bomb) < 1 << 20
    problem = assert_problem(await compressed(untouched, bomb, coding), 413)
    assert f"{untouched.settings.max_body_bytes:,} bytes" in problem["detail"]


@pytest.mark.parametrize("coding", COMPRESS)
async def test_a_compressed_body_that_is_cut_off_or_in_another_coding_is_refused(untouched: Api, coding: str) -> None:
    plain = json.dumps([reading()]).encode()
    whole = COMPRESS[coding](plain)
    (other,) = COMPRESS.keys() - {coding}
    for body in (whole[:-1], whole[:10], COMPRESS[other](plain), plain, whole + b"more", b""):
        assert_problem(await compressed(untouched, body, coding), 422)
    assert_problem(await compressed(untouched, whole, ""), 422)


async def test_an_unknown_coding_is_told_which_are_taken(untouched: Api) -> None:
    for coding in ("br", "deflate", "gzip, zstd"):
        response = await compressed(untouched, b"anything", coding)
        assert_problem(response, 415)
        assert response.headers["accept-encoding"] == "gzip, zstd"


@pytest.mark.parametrize("kind", [JSON, NDJSON, ARROW])
async def test_an_upload_of_too_many_readings_is_told_how_many_it_may_hold(untouched: Api, kind: str) -> None:
    most = untouched.settings.max_upload_readings
    readings = decode_upload(b'{"readings": [%b]}' % json.dumps(reading()).encode(), JSON).readings
    many = pl.concat([readings] * (most + 1))
    line = json.dumps(reading()).encode()
    body = {
        JSON: b"[" + b",".join([line] * (most + 1)) + b"]",
        NDJSON: b"\n".join([line] * (most + 1)),
        ARROW: encode(many),
    }[kind]
    response = await compressed(untouched, gzip.compress(body, 1), "gzip", kind)
    assert f"at most {most:,}" in assert_problem(response, 413)["detail"]


async def compressed(api: Api, body: bytes, coding: str, kind: str = JSON) -> httpx.Response:
    headers = {"content-type": kind, **({"content-encoding": coding} if coding else {})}
    return await api("POST", "/sensors/data", "gateway", content=body, headers=headers)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("sensor=probe-1", "sensor"),
        ("=probe-1", ""),
        ("sensor_id=%00", "sensor_id"),
        ("start=20240101", "start"),
        ("start=2024-01-01T00:00:00", "start"),
        ("end=20000-01-01T00:00:00Z", "end"),
        ("end=0001-01-01T00:00:00Z", "end"),
        ("limit=10001", "limit"),
        ("limit=0", "limit"),
        ("anomalies_only=perhaps", "anomalies_only"),
    ],
)
async def test_a_question_that_cannot_be_is_refused_by_parameter(untouched: Api, query: str, parameter: str) -> None:
    errors = assert_problem(await untouched("GET", f"/sensors/data?{query}", "vera"), 422)["errors"]
    assert [error["parameter"] for error in errors] == [parameter]


@pytest.mark.parametrize("path", ["/sensors/data", "/sensors/anomalies", "/sensors/stats", "/orders/"])
async def test_a_cursor_that_was_made_up_is_refused(untouched: Api, path: str) -> None:
    assert_problem(await untouched("GET", f"{path}?cursor=bm90IGEgY3Vyc29y", "vera"), 422)


async def test_addresses_that_are_not_there_say_so(untouched: Api) -> None:
    assert_problem(await untouched("GET", "/nothing/here"), 404)
    assert_problem(await untouched("GET", "/orders/a/b/c", "ada"), 404)
    assert_problem(await untouched("GET", "/orders/%00", "ada"), 422)


@pytest.mark.parametrize(
    ("path", "allowed"), [("/orders/", "GET, POST"), ("/sensors/data", "GET, POST"), ("/orders/a/status", "PUT")]
)
async def test_a_method_that_is_not_there_is_answered_with_those_that_are(
    untouched: Api, path: str, allowed: str
) -> None:
    for method in ("PATCH", "OPTIONS"):
        response = await untouched(method, path, "ada")
        assert_problem(response, 405)
        assert response.headers["allow"] == allowed


async def test_every_answer_has_an_id_and_the_security_headers(untouched: Api) -> None:
    given = await untouched("GET", "/livez", headers={"x-request-id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    strange = await untouched("GET", "/nothing", headers={"x-request-id": "a b"})
    assert strange.headers["x-request-id"] != "a b"
    for response in (given, strange):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


async def test_what_nobody_foresaw_is_a_500_that_tells_nothing(untouched: Api) -> None:
    @untouched.app.get("/breaks")
    async def breaks() -> None:
        raise ZeroDivisionError("secret")

    response = await untouched("GET", "/breaks")
    assert assert_problem(response, 500)["request_id"]
    assert "secret" not in response.text
