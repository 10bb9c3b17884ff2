"""What the benchmark of orders makes and computes, without servers."""

from __future__ import annotations

import base64
import json
import re
import resource
from collections import Counter
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from bench import connections, order_load, order_report, vegeta
from bench.order_count import compared
from bench.order_phases import Phase, Summary, acknowledged, summed
from bench.order_report import CLOSED, EMPTY_AFTER, EMPTY_BEFORE, FLUSH_SIZE_1, OPEN, Found
from bench.order_users import Buyer, People
from bench.vegeta import Load

URL = "http://127.0.0.1:1"
PEOPLE = People((Buyer("acme", "Bearer a"), Buyer("other", "Bearer b")), "Bearer device", ("TMP-100", "PRS-100"))
ID = "0198a000-0000-7000-8000-00000000000"


def answers(*rows: tuple[int, int, int, str, str]) -> pl.DataFrame:
    """Rows of at_ns, latency_ns, code, body and headers."""
    schema = {"at_ns": pl.Int64, "latency_ns": pl.Int64, "code": pl.Int32, "body": pl.String, "headers": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_every_order_has_a_key_of_its_own_which_is_in_its_notes_too() -> None:
    made = [json.loads(line) for line in islice(order_load.order_targets(URL, PEOPLE, "closed"), 500)]
    keys = [one["header"]["Idempotency-Key"][0] for one in made]
    bodies = [json.loads(base64.b64decode(one["body"])) for one in made]
    assert len(set(keys)) == 500
    assert [body["notes"] for body in bodies] == keys
    assert {body["sku"] for body in bodies} == set(PEOPLE.skus)
    assert {one["header"]["Authorization"][0] for one in made} == {"Bearer a", "Bearer b"}


def test_of_the_mixed_load_four_fifths_are_orders_and_known_orders_are_read_by_their_customer() -> None:
    known = pl.DataFrame({"order_id": ["mine"], "customer_id": ["other"]})
    targets = order_load.mixed_targets(URL, PEOPLE, "mixed", known, order_load.uploads(3))
    made = [json.loads(line) for line in islice(targets, 4_000)]
    kinds = Counter((one["method"], re.sub(r"\?.*", "", one["url"]).removeprefix(URL)) for one in made)
    assert kinds["POST", "/orders/"] == pytest.approx(3_200, rel=0.05)
    assert kinds["POST", "/sensors/data"] == pytest.approx(200, rel=0.3)
    assert kinds.keys() - {("POST", "/orders/"), ("POST", "/sensors/data")} == {
        ("GET", "/orders/"),
        ("GET", "/orders/mine"),
        ("GET", "/sensors/data"),
    }
    assert {one["header"]["Authorization"][0] for one in made if one["url"].endswith("mine")} == {"Bearer b"}


def test_an_upload_has_twenty_readings_and_no_two_are_the_same() -> None:
    readings = [json.dumps(one) for body in order_load.uploads(30) for one in json.loads(body)["readings"]]
    assert len(readings) == len(set(readings)) == 600


def test_the_load_generators_answers_are_read_back_with_body_and_headers(tmp_path: Path) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    table = tmp_path / "told.csv"
    table.write_text(
        f"5,201,7,1,1,,{encoded('{}')},,0,POST,{URL}/,{encoded('Etag: 1')}\n"
        f'6,0,8,0,0,"Post ""{URL}"", refused",,,1,POST,{URL}/,\n'
    )
    assert vegeta.read(table).rows() == [
        (5, 7, 201, "", "POST", f"{URL}/", "{}", "Etag: 1"),
        (6, 8, 0, f'Post "{URL}", refused', "POST", f"{URL}/", "", ""),
    ]


def test_a_rate_is_taken_from_the_first_request_to_the_last_answer() -> None:
    found = summed(answers((0, 10**9, 201, "", ""), (10**9, 3 * 10**9, 201, "", ""), (10**9, 10**8, 200, "", "")))
    assert (found.requests, found.orders, found.errors, found.seconds) == (3, 2, 0, 4.0)
    assert found.orders_per_s == 0.5
    assert (found.p50_ms, found.p99_ms, found.longest_ms) == (1_000, 3_000, 3_000)


def test_a_refusal_that_says_when_to_come_back_is_no_error_where_it_may_be_and_any_other_is() -> None:
    told = answers(
        (0, 1, 503, "", "Content-Type: application/problem+json\r\nRetry-After: 1\r\n\r\n"),
        (0, 1, 503, "", "Content-Type: text/plain\r\n\r\n"),
        (0, 1, 500, "", "Retry-After: 1\r\n\r\n"),
        (0, 1, 0, "", ""),
        (0, 1, 201, "", ""),
    )
    assert summed(told, may_refuse=True).errors == 3
    assert summed(told).errors == 4
    assert summed(told).codes == {0: 1, 201: 1, 500: 1, 503: 2}


def test_what_was_acknowledged_is_read_from_the_answers() -> None:
    body = json.dumps({"order_id": f"{ID}1", "customer_id": "acme", "notes": "closed-7"})
    told = answers((0, 1, 201, body, ""), (0, 1, 503, body, ""), (0, 1, 201, body.replace(" ", ""), ""))
    assert acknowledged(told).rows() == [(f"{ID}1", "acme", "closed-7")] * 2


def places(**changes: list[tuple[str, str]]) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, pl.DataFrame]]:
    """Three orders that are everywhere as they should be, but for the changes."""
    ids = ["1", "2", "3"]
    orders = changes.get("orders", [(one, f"key-{one}") for one in ids])
    whole = [(one, f"event-{one}") for one in ids]
    events = {name: changes.get(name, whole) for name in ("log", "kafka", "lake")}
    return (
        pl.DataFrame({"order_id": ids}),
        pl.DataFrame(orders, schema=["order_id", "key"], orient="row"),
        {name: pl.DataFrame(rows, schema=["order_id", "event_id"], orient="row") for name, rows in events.items()},
    )


def test_nothing_is_lost_or_doubled_when_every_place_has_every_order_once() -> None:
    found = compared(*places())
    assert (found.acknowledged, found.lost, found.doubled) == (3, 0, 0)
    assert [(place.orders, place.missing, place.doubled) for place in found.places] == [(3, 0, 0)] * 4


def test_an_order_that_is_missing_anywhere_is_lost_and_counts_once() -> None:
    without = [("1", "event-1"), ("3", "event-3")]
    found = compared(*places(kafka=without, lake=without))
    assert (found.lost, found.doubled) == (1, 0)
    assert [place.missing for place in found.places] == [0, 0, 1, 1]


def test_two_requests_that_were_answered_with_the_same_order_are_a_lost_one() -> None:
    acknowledged, orders, events = places()
    assert compared(pl.concat([acknowledged, acknowledged.head(1)]), orders, events).lost == 1


def test_two_orders_of_one_key_are_doubled_and_so_are_two_events_of_an_order() -> None:
    again = [("1", "key-1"), ("2", "key-2"), ("3", "key-3"), ("4", "key-3")]
    events = [("1", "event-1"), ("2", "event-2"), ("3", "event-3"), ("4", "event-4")]
    assert compared(*places(orders=again, log=events, kafka=events, lake=events)).doubled == 1
    twice = [("1", "event-1"), ("1", "event-9"), ("2", "event-2"), ("3", "event-3")]
    assert compared(*places(kafka=twice, lake=twice)).doubled == 1
    assert compared(*places(orders=again, kafka=twice)).doubled == 2


def test_an_event_that_came_twice_with_the_same_id_is_not_doubled() -> None:
    repeated = [("1", "event-1"), ("1", "event-1"), ("2", "event-2"), ("3", "event-3")]
    found = compared(*places(kafka=repeated))
    assert found.doubled == 0
    assert [place.rows for place in found.places] == [3, 3, 4, 3]


def test_open_connections_are_counted_at_the_clients_end() -> None:
    table = """  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000
   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000
   3: 0100007F:C351 0100007F:1F90 06 00000000:00000000
"""
    assert connections.count_in(table, 0x1F90) == 1


def test_more_connections_than_the_system_allows_are_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))
    with pytest.raises(SystemExit, match=r"5,000 connections take 5,500 open files .* 4,096: .* --connections 3596"):
        connections.allow(5_000)


def phase(per_s: float, p99_ms: float = 20.0) -> Phase:
    summary = Summary(int(per_s * 10), int(per_s * 10), 0, {201: int(per_s * 10)}, 10.0, 5.0, p99_ms, 30.0)
    return Phase(Load(50, 10.0), summary, 50, (100.0, 101.0, 101.0), {"API": 5.0})


def found(rate: float) -> Found:
    measured = Found("this machine", {})
    measured.phases = {
        EMPTY_BEFORE: phase(1_900),
        CLOSED: phase(rate),
        EMPTY_AFTER: phase(2_100),
        FLUSH_SIZE_1: phase(500),
        OPEN: phase(rate / 2, p99_ms=251.0),
    }
    measured.counted = compared(*places())
    return measured


def test_the_last_line_compares_with_flush_size_1_and_with_the_mean_of_both_empty_posts() -> None:
    name, _, told = order_report.result(found(1_000)).partition(" ")
    assert name == "RESULT"
    assert json.loads(told) == {
        "orders_per_s": 1000.0,
        "x_flush_size_1": 2.0,
        "of_empty_post": 0.5,
        "errors": 0,
        "lost": 0,
        "doubled": 0,
        "open_loop_p99_ms": 251.0,
        "connections": 50,
    }


def test_what_falls_short_of_its_goal_is_told() -> None:
    assert order_report.shortfalls(order_report.numbers(found(1_000))) == [
        "Short of its goal: p99 of the open loop, ms: 251.0; wanted: at most 250."
    ]
    assert len(order_report.shortfalls(order_report.numbers(found(800)))) == 3
    assert "Short of its goal" in order_report.document(found(800))


def test_what_was_not_measured_is_told_too() -> None:
    nothing = Found("this machine", {})
    assert order_report.shortfalls(order_report.numbers(nothing))[-1].startswith("Not measured: ")
    assert json.loads(order_report.result(nothing).removeprefix("RESULT "))["lost"] is None
