"""The drain on real servers: complete, once, in both sinks."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from confluent_kafka import TopicPartition
from deltalake import write_deltalake

from sensorhouse.errors import Fenced, MarkMissing, OffsetGap
from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.arrow_codec import encode
from sensors_io.balance import balance
from sensors_io.codecs import decode, decode_upload
from sensors_io.drain import Share, drain
from sensors_io.drained import Drained
from sensors_io.feeds import DEAD_LETTERS_SCHEMA, RAW_READINGS_SCHEMA
from sensors_io.lake import MarkedTable, open_lake
from sensors_io.reading import ARROW, NDJSON
from tests.readings import NOON, feeds, lake_rows, many, publish, publish_readings, reading, readings_of, warehouse_rows
from warehouse import locks
from warehouse.batches import DEAD_LETTER, MESSAGES, Batch, Range
from warehouse.checksums import TextKeys
from warehouse.database import connect
from warehouse.load import Loader
from warehouse.locks import Lock
from warehouse.stores import SERIES, ReadingStore


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    """Settings under which a drain ends as soon as it has caught up."""
    return settings.model_copy(update={"linger_s": 0.0, "slice_s": 0.5, "lake_flush_s": 0.0})


def run(settings: Settings, feed: str = "readings") -> Drained:
    return drain(settings, feeds(settings)[feed], open_lake(settings), run_id="test")


def test_every_reading_lands_once_in_both_sinks(brisk: Settings) -> None:
    publish_readings(brisk, many(400))
    drained = run(brisk)
    assert (drained.work.rows, drained.work.dead_letters) == (400, 0)
    lake = lake_rows(brisk, "raw_readings")
    assert sorted(lake.get_column("value").to_list()) == [float(i) for i in range(400)]
    assert warehouse_rows(brisk, "select value from raw_readings order by 1") == [(float(i),) for i in range(400)]


def test_a_second_drain_finds_nothing_to_do(brisk: Settings) -> None:
    publish_readings(brisk, many(50))
    run(brisk)
    again = run(brisk).work
    assert (again.slices, again.rows, again.lake_commits) == (0, 0, 0)
    assert lake_rows(brisk, "raw_readings").height == 50


def test_one_topic_takes_all_content_types_at_once(brisk: Settings) -> None:
    arrow = encode(decode_upload(json.dumps([reading("a"), reading("b")]).encode(), "application/json").readings)
    lines = b"\n".join(json.dumps(reading(name)).encode() for name in "cd")
    publish(brisk, brisk.readings_topic, [(arrow, 0)], ARROW)
    publish(brisk, brisk.readings_topic, [(lines, 0)], NDJSON)
    publish(brisk, brisk.readings_topic, [(json.dumps({"readings": [reading("e"), reading("f")]}).encode(), 0)])
    publish(brisk, brisk.readings_topic, [(json.dumps(reading("g")).encode(), 0)])
    run(brisk)
    assert sorted(lake_rows(brisk, "raw_readings").get_column("sensor_id")) == list("abcdefg")


def test_what_is_bad_becomes_a_dead_letter_in_both_sinks(brisk: Settings) -> None:
    bad = [
        b"\xff\xfe",
        b"{",
        json.dumps([reading(), reading(sensor_type="smell"), {"value": 1}]).encode(),
        json.dumps(reading(at=NOON.replace(year=1999))).encode(),
        json.dumps(reading(at=NOON + timedelta(days=4000))).encode(),
        json.dumps(reading(value="warm")).encode(),
        json.dumps(reading(colour="red")).encode(),
    ]
    publish(brisk, brisk.readings_topic, [(value, 1) for value in bad])
    assert run(brisk).work.rows == 1
    stored = warehouse_rows(brisk, 'select "offset", index, reason from dead_letters order by 1, 2')
    assert [(offset, index) for offset, index, _ in stored] == [
        *((0, -1), (1, -1), (2, 1), (2, 2), (3, 0), (4, 0), (5, 0), (6, 0))
    ]
    lake = lake_rows(brisk, "dead_letters").sort("offset", "index").select("offset", "index", "reason").rows()
    assert lake == stored
    assert lake_rows(brisk, "dead_letters").sort("offset").item(0, "payload") == b"\xff\xfe"


def test_a_dead_letter_holds_the_reading_alone_and_where_it_came_from(brisk: Settings) -> None:
    good, bad = reading("a"), reading("b", sensor_type="smell")
    arrow = encode(decode([json.dumps([good, bad]).encode()], ["application/json"]).readings)
    lines = json.dumps(good).encode() + b"\n{oops\n" + json.dumps(bad).encode()
    producer = kafka.producer(brisk)
    for value, content_type in ((arrow, ARROW), (lines, NDJSON), (b"\x00?", "text/\x00html")):
        headers: list[tuple[str, str | bytes | None]] = [
            ("content-type", content_type.encode()),
            ("upload_id", b"upload-1"),
        ]
        producer.produce(brisk.readings_topic, value, partition=0, key=b"a", headers=headers)
    assert producer.flush(30) == 0
    assert run(brisk).work.dead_letters == 4
    found = lake_rows(brisk, "dead_letters").sort("offset", "index")
    assert found.select("offset", "index", "content_type", "key", "upload_id").rows() == [
        (0, 1, "application/json", b"a", "upload-1"),
        (1, 1, "application/json", b"a", "upload-1"),
        (1, 2, "application/json", b"a", "upload-1"),
        (2, -1, None, b"a", "upload-1"),
    ]
    payloads = found.get_column("payload").to_list()
    assert (payloads[1], payloads[3]) == (b"{oops", b"\x00?")
    assert json.loads(payloads[0])["sensor_type"] == json.loads(payloads[2])["sensor_type"] == "smell"
    stored = warehouse_rows(
        brisk, 'select payload, content_type, key, upload_id from dead_letters order by "offset", index'
    )
    assert stored == found.select("payload", "content_type", "key", "upload_id").rows()


def test_new_optional_columns_appear_without_a_stop(settings: Settings) -> None:
    lake = open_lake(settings)
    added = ("content_type", "key", "upload_id")
    before = pl.Schema({name: kind for name, kind in DEAD_LETTERS_SCHEMA.items() if name not in added})
    lake.create("dead_letters", before, partition_by=["ingest_day"])
    row = before.to_frame().clear(1).with_columns(reason=pl.lit("old"), ingest_day=pl.lit(NOON.date()))
    old = row.to_arrow(compat_level=pl.CompatLevel.oldest())
    running = lake.table("dead_letters")
    write_deltalake(running, old, mode="append")
    for _ in range(2):
        MarkedTable(lake, "dead_letters", DEAD_LETTERS_SCHEMA, partition_by=["ingest_day"], topic="t", topic_id="t")
    found = lake_rows(settings, "dead_letters")
    assert set(found.columns) == set(DEAD_LETTERS_SCHEMA)
    assert found.select("reason", "content_type", "key").rows() == [("old", None, None)]


def test_order_events_are_drained_too(brisk: Settings) -> None:
    event = {
        "event_id": "0199c1a2-0000-7000-8000-000000000001",
        "order_id": "0199c1a2-0000-7000-8000-000000000002",
        "version": 1,
        "type": "order_placed",
        "status": "accepted",
        "occurred_at": "2026-11-20T12:00:00+00:00",
        "customer_id": "acme",
        "sku": "TMP-100",
        "quantity": 3,
        "reason": None,
        "actor": "ada",
        "requested_for": None,
        "notes": None,
        "policy_version": "1",
        "created_at": "2026-11-20T12:00:00+00:00",
    }
    publish(brisk, brisk.orders_topic, [(json.dumps(event).encode(), 0), (b"{}", 0)])
    drained = run(brisk, "orders")
    assert (drained.work.rows, drained.work.dead_letters) == (1, 1)
    assert lake_rows(brisk, "raw_orders").item(0, "order_id") == event["order_id"]
    assert warehouse_rows(brisk, "select sku, quantity from raw_orders") == [("TMP-100", 3)]


def test_the_days_and_types_that_came_are_touched(brisk: Settings) -> None:
    publish_readings(brisk, [reading(), reading(at=NOON - timedelta(days=3)), reading("p", sensor_type="pressure")])
    run(brisk)
    found = warehouse_rows(brisk, "select distinct day::text, sensor_type from touched_keys order by 1, 2")
    assert found == [("2026-11-17", "temperature"), ("2026-11-20", "pressure"), ("2026-11-20", "temperature")]


def test_two_drains_at_once_leave_one_copy(brisk: Settings) -> None:
    publish_readings(brisk, many(300))
    outcomes: list[Drained] = []
    threads = [threading.Thread(target=lambda: outcomes.append(run(brisk))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 2
    assert lake_rows(brisk, "raw_readings").height == 300
    assert warehouse_rows(brisk, "select count(*) from raw_readings") == [(300,)]


def batch_of(settings: Settings, topic_id: str, start: int, end: int) -> Batch:
    sent = many(end - start)
    readings = decode([json.dumps(one).encode() for one in sent], ["application/json"] * len(sent)).readings
    rows = readings.drop("message").with_columns(
        partition=pl.lit(0, dtype=pl.Int32),
        offset=pl.int_range(start, end, dtype=pl.Int64),
        ingested_at=pl.lit(NOON),
    )
    messages = rows.select("partition", "offset", pl.col("ingested_at").cast(MESSAGES["ingested_at"]), bytes=pl.lit(9))
    ranges = {0: Range(start, end)}
    numbered = rows.hstack(TextKeys(SERIES)(rows).select(series="number", series_key="key"))
    decoded = Batch(settings.readings_topic, topic_id, ranges, messages, numbered, DEAD_LETTER.to_frame())
    return readings_of(settings).finish(decoded)


def test_a_lake_writer_that_lost_its_place_is_fenced(settings: Settings) -> None:
    lake = open_lake(settings)
    zombie, heir = (
        MarkedTable(
            lake, "raw_readings", RAW_READINGS_SCHEMA, partition_by=["ingest_day"], topic="readings", topic_id="t"
        )
        for _ in range(2)
    )
    for table in (zombie, heir):
        table.attach({0: 0})

    def append(table: MarkedTable, start: int, end: int) -> None:
        batch = batch_of(settings, "t", start, end)
        table.append(batch, batch.rows)

    append(heir, 0, 10)
    with pytest.raises(Fenced):
        append(zombie, 0, 20)
    with pytest.raises(Fenced):
        append(zombie, 0, 20)
    append(heir, 10, 12)
    assert lake_rows(settings, "raw_readings").height == 12


def test_a_warehouse_writer_that_lost_its_place_is_fenced(settings: Settings) -> None:
    zombie, heir = (
        Loader(settings.database_url, topic="readings", topic_id="t", store=ReadingStore(), run_id=name)
        for name in ("zombie", "heir")
    )
    for loader in (zombie, heir):
        loader.attach({0: 0}, "reading_chunks")
    heir.load(heir.prepare(batch_of(settings, "t", 0, 10)))
    with pytest.raises(Fenced):
        zombie.load(zombie.prepare(batch_of(settings, "t", 0, 20)))
    heir.load(heir.prepare(batch_of(settings, "t", 0, 12)))
    assert warehouse_rows(settings, 'select array_agg("offset" order by "offset") from raw_readings') == [
        (list(range(12)),)
    ]
    for loader in (zombie, heir):
        loader.close()


def test_a_slice_that_starts_too_late_is_refused(settings: Settings) -> None:
    loader = Loader(settings.database_url, topic="readings", topic_id="t", store=ReadingStore(), run_id="test")
    loader.attach({0: 0}, "reading_chunks")
    with pytest.raises(OffsetGap, match="ends at offset 0, the slice starts at 3"):
        loader.load(loader.prepare(batch_of(settings, "t", 3, 10)))
    loader.close()


def test_rows_without_a_mark_are_an_error_and_not_offset_zero(brisk: Settings) -> None:
    publish_readings(brisk, many(20))
    run(brisk)
    assert warehouse_rows(brisk, "with gone as (delete from ledger returning 1) select count(*) from gone") == [(4,)]
    with pytest.raises(MarkMissing, match="reading_chunks"):
        run(brisk)


def test_a_log_that_lost_the_next_offset_stops_that_partition_only(brisk: Settings) -> None:
    publish(
        brisk, brisk.readings_topic, [(json.dumps(reading("a")).encode(), 0), (json.dumps(reading("b")).encode(), 1)]
    )
    run(brisk)
    publish(brisk, brisk.readings_topic, [(json.dumps(reading("c")).encode(), p) for p in (0, 0, 1)])
    doomed = [TopicPartition(brisk.readings_topic, 0, 2)]
    client = kafka.admin(brisk)
    for gone in client.delete_records(doomed).values():
        gone.result()
    drained = run(brisk)
    assert [str(one) for one in drained.truncated] == [
        f"{brisk.readings_topic}[0]: next is offset 1, but the log holds 2 to 3"
    ]
    assert sorted(lake_rows(brisk, "raw_readings").get_column("sensor_id")) == ["a", "b", "c"]


def test_drains_share_a_topic_s_partitions(brisk: Settings) -> None:
    publish_readings(brisk, many(300))
    halves = [
        drain(brisk, feeds(brisk)["readings"], open_lake(brisk), run_id=f"half-{index}", share=Share(index, 2))
        for index in (0, 1)
    ]
    assert [half.partitions for half in halves] == [(0, 2), (1, 3)]
    assert sum(half.work.rows for half in halves) == 300
    assert lake_rows(brisk, "raw_readings").height == 300
    assert balance(brisk, feeds(brisk)["readings"], open_lake(brisk), full=True).differences == {}


def test_a_partition_that_another_drain_holds_is_left_to_it(brisk: Settings) -> None:
    publish_readings(brisk, many(40))
    topic = kafka.describe(kafka.admin(brisk), brisk.readings_topic)
    with connect(brisk.database_url) as connection:
        assert locks.take(connection, Lock.DRAIN, locks.of_partition(topic.id, 2))
        assert run(brisk).partitions == (0, 1, 3)
    assert run(brisk).partitions == (0, 1, 2, 3)
    assert lake_rows(brisk, "raw_readings").height == 40


def test_readings_out_of_the_hot_window_are_in_the_lake_only_and_counted(brisk: Settings) -> None:
    old, hot = NOON - timedelta(days=2000), datetime.now(UTC) - timedelta(days=1)
    publish_readings(brisk, [reading(at=old), reading(at=old + timedelta(days=1)), reading(at=hot)])
    drained = run(brisk)
    assert (drained.work.rows, drained.work.cold) == (3, 2)
    assert lake_rows(brisk, "raw_readings").height == 3
    assert warehouse_rows(brisk, "select count(*) from raw_readings") == [(1,)]
    assert warehouse_rows(brisk, "select sum(rows), sum(cold) from ledger") == [(3, 2)]
    assert balance(brisk, feeds(brisk)["readings"], open_lake(brisk), full=True).differences == {}


def test_a_run_tells_how_long_readings_took_to_become_visible(brisk: Settings) -> None:
    publish_readings(brisk, many(100))
    drained = run(brisk)
    freshness = drained.work.freshness_s(0.99)
    assert freshness is not None
    assert 0 < freshness < 30
    assert min(drained.work.read_s, drained.work.decode_s, drained.work.load_s, drained.work.lake_s) > 0
    seconds = warehouse_rows(brisk, "select sum(read_s), sum(decode_s), sum(load_s), sum(bytes) from slices")[0]
    assert all(value > 0 for value in seconds)
