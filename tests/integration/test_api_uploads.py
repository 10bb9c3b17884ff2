"""Readings through the API into Kafka."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from confluent_kafka import Message

from assets.partition_keys import Key
from assets.staged_keys import stage_keys
from sensors_io import codecs
from sensors_io.arrow_codec import encode
from sensors_io.codecs import decode_upload
from sensors_io.drain import drain
from sensors_io.lake import open_lake
from sensors_io.reading import ARROW, JSON, NDJSON
from sensors_io.receipts import read
from sensors_io.uploads import partition_of
from tests.api import Api, assert_problem
from tests.compressed import COMPRESS
from tests.readings import NOON, lake_rows, many, reading, readings_of
from tests.topics import messages


def uploaded(api: Api) -> list[Message]:
    return messages(api.settings, api.settings.readings_topic)


def lines(readings: list[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(one).encode() for one in readings)


SENT = many(200)
BODIES = {
    "an object": (json.dumps({"readings": SENT}).encode(), JSON),
    "an array": (json.dumps(SENT).encode(), JSON),
    "NDJSON": (lines(SENT), NDJSON),
    "Arrow": (encode(decode_upload(json.dumps(SENT).encode(), JSON).readings), ARROW),
}


@pytest.mark.parametrize("form", BODIES)
async def test_every_form_of_upload_arrives_as_arrow_with_each_sensor_in_its_partition(api: Api, form: str) -> None:
    body, kind = BODIES[form]
    response = await api("POST", "/sensors/data", "gateway", content=body, headers={"content-type": kind})
    assert response.status_code == 202, response.text
    assert (response.json()["accepted"], response.json()["rejected"]) == (200, [])
    found = uploaded(api)
    decoded = codecs.decode([message.value() or b"" for message in found], [ARROW] * len(found))
    assert sorted(decoded.readings["value"]) == [float(i) for i in range(200)]
    for message in found:
        headers = dict(message.headers() or [])
        assert (headers["content-type"], headers["schema"]) == (ARROW.encode(), b"readings.v1")
        sensors = codecs.decode([message.value() or b""], [ARROW]).readings["sensor_id"].unique()
        assert {partition_of(sensor, api.settings.topic_partitions) for sensor in sensors} == {message.partition()}


@pytest.mark.parametrize("coding", COMPRESS)
@pytest.mark.parametrize("form", BODIES)
async def test_a_compressed_upload_of_every_form_is_taken(api: Api, form: str, coding: str) -> None:
    body, kind = BODIES[form]
    headers = {"content-type": kind, "content-encoding": coding}
    response = await api("POST", "/sensors/data", "gateway", content=COMPRESS[coding](body), headers=headers)
    assert response.status_code == 202, response.text
    assert response.json()["accepted"] == 200


async def test_a_receipt_says_where_every_reading_is(api: Api) -> None:
    response = await api("POST", "/sensors/data", "gateway", json=SENT)
    receipt = read(response.json()["receipt_id"], api.settings.signing_key)
    found = {(message.partition(), message.offset()): message for message in uploaded(api)}
    assert {(place.partition, place.offset) for place in receipt.places} == found.keys()
    assert sum(place.count for place in receipt.places) == 200
    for place in receipt.places:
        message = found[place.partition, place.offset]
        assert dict(message.headers() or [])["upload_id"] == str(receipt.upload_id).encode()
        assert codecs.decode([message.value() or b""], [ARROW]).readings.height == place.count


async def test_good_readings_are_taken_and_the_others_named_by_their_place(api: Api) -> None:
    body = [reading(), reading(value=None), reading("b"), {"sensor_type": "temperature"}, reading(sensor_type="odd")]
    answer = (await api("POST", "/sensors/data", "gateway", json=body)).json()
    assert (answer["accepted"], answer["rejected_count"]) == (2, 3)
    assert [rejected["index"] for rejected in answer["rejected"]] == [1, 3, 4]
    assert answer["rejected"][2]["reason"] == "unknown sensor_type"


@pytest.mark.parametrize("form", BODIES)
async def test_every_form_names_its_bad_readings_and_keeps_the_others(api: Api, form: str) -> None:
    kind = BODIES[form][1]
    sent = [reading(f"probe-{i}", sensor_type="odd" if i % 3 == 0 else "temperature") for i in range(9)]
    body = {
        "an object": json.dumps({"readings": sent}).encode(),
        "an array": json.dumps(sent).encode(),
        "NDJSON": lines(sent),
        "Arrow": encode(decode_upload(json.dumps(sent).encode(), JSON).readings),
    }[form]
    answer = (await api("POST", "/sensors/data", "gateway", content=body, headers={"content-type": kind})).json()
    assert (answer["accepted"], answer["rejected_count"]) == (6, 3)
    assert answer["rejected"] == [{"index": i, "reason": "unknown sensor_type"} for i in (0, 3, 6)]


async def test_of_many_bad_readings_all_are_counted_and_the_first_thousand_named(api: Api) -> None:
    odd = [reading(f"odd-{i}", sensor_type="odd") for i in range(5_000)]
    mixed = (await api("POST", "/sensors/data", "gateway", json=[*odd, reading()])).json()
    assert (mixed["accepted"], mixed["rejected_count"]) == (1, 5_000)
    assert [rejected["index"] for rejected in mixed["rejected"]] == list(range(1_000))
    problem = assert_problem(await api("POST", "/sensors/data", "gateway", json=odd), 422)
    assert (problem["rejected_count"], len(problem["rejected"])) == (5_000, 1_000)


async def test_the_same_key_sent_twice_is_staged_once(api: Api) -> None:
    sent = many(50)
    for _ in range(2):
        response = await api("POST", "/sensors/data", "gateway", json=sent, headers={"idempotency-key": "k1"})
        assert response.json()["accepted"] == 50
    brisk = api.settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.2, "lake_flush_s": 0.0})
    await asyncio.to_thread(drain, brisk, readings_of(brisk), open_lake(brisk), run_id="test")
    key = Key("temperature", NOON.date())
    await asyncio.to_thread(lambda: list(stage_keys(brisk, open_lake(brisk), [key])))
    assert api.rows("select count(*) from raw_readings") == [(100,)]
    assert api.rows("select raw, staged, duplicates, revisions from staged_keys") == [(100, 50, 50, 0)]
    assert lake_rows(brisk, "readings").height == 50
    shown = (await api("GET", "/sensors/data?limit=1000", "vera")).json()["items"]
    assert sorted(item["value"] for item in shown) == [float(i) for i in range(50)]


async def test_the_same_idempotency_key_gives_the_same_upload_id(api: Api) -> None:
    async def upload_id(user: str, key: str | None) -> object:
        headers = {"idempotency-key": key} if key else {}
        response = await api("POST", "/sensors/data", user, json=[reading()], headers=headers)
        return read(response.json()["receipt_id"], api.settings.signing_key).upload_id

    assert await upload_id("gateway", "k1") == await upload_id("gateway", "k1")
    ids = {
        await upload_id("gateway", "k2"),
        await upload_id("olivia", "k2"),
        *[await upload_id("gateway", None) for _ in "ab"],
    }
    assert len(ids) == 4


async def test_a_trace_is_passed_on_and_one_that_is_malformed_replaced(api: Api) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    for given in (trace, trace.upper()):
        await api("POST", "/sensors/data", "gateway", json=[reading()], headers={"traceparent": given})
    known, new = (dict(message.headers() or [])["traceparent"].decode() for message in uploaded(api))
    assert known == trace
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", new)


@pytest.mark.parametrize("user", ["ada", "vera", "paul"])
async def test_only_devices_and_operators_upload(api: Api, user: str) -> None:
    assert_problem(await api("POST", "/sensors/data", user, json=[reading()]), 403)
    assert uploaded(api) == []


async def test_a_large_upload_becomes_messages_of_at_most_half_a_megabyte(api: Api) -> None:
    readings = many(60_000)
    response: httpx.Response = await api(
        "POST", "/sensors/data", "gateway", content=lines(readings), headers={"content-type": NDJSON}
    )
    assert response.json()["accepted"] == 60_000
    sizes = [len(message.value() or b"") for message in uploaded(api)]
    assert max(sizes) <= 512 << 10
