"""What the demo sends: real recordings as readings, with what goes wrong in practice, and orders of every fate."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from infra import examples
from infra.demo.client import Client
from sensorhouse.settings import Settings
from sensors_io import kafka
from sensors_io.arrow_codec import encode
from sensors_io.reading import ARROW, JSON, NDJSON, READING

UPLOAD_READINGS = 2_000
# Units of the order that is built.
UNITS = 15
# Too few to know its interval: who has left the bench is not silent.
TEST_READINGS = 9
BROKEN = (
    (b"\xff\xfe not text", JSON),
    (b'{"sensor_id": "TMP-100-0001", "value": ', JSON),
    (b'{"sensor_id": "TMP-100-0001"}', JSON),
    (b"half an Arrow stream", ARROW),
    (b"{}\n[]", NDJSON),
)
# What BROKEN comes to: one dead letter each, but two for the two lines of the last.
BROKEN_DEAD_LETTERS = 6


@dataclass
class Sent:
    """What the demo sent and what was acknowledged, in rows: readings, or order events."""

    sent: int = 0
    acknowledged: int = 0
    rejected: int = 0
    sent_twice: int = 0
    broken: int = 0
    statuses: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    """One recording as this run sends it: shifted to end now, its sensor's serial this run's own."""

    name: str
    sensor_id: str
    readings: pl.DataFrame
    windows: list[examples.Window]


@dataclass(frozen=True)
class OnTheBench:
    """An order whose units are built: their serials, and since when they are tested."""

    order_id: str
    serials: list[str]
    since: datetime


def recordings(*, serial: int, end: datetime) -> list[Recording]:
    """The recordings in `examples/`, each ending at `end`."""
    made = []
    for name, recorded in examples.RECORDINGS.items():
        sensor_id = f"{recorded.sensor_id.rsplit('-', 1)[0]}-{serial:04d}"
        loaded = examples.load(name)
        shifted = examples.shifted_to_end_at(loaded, end).with_columns(sensor_id=pl.lit(sensor_id))
        windows = examples.windows_shifted_to_end_at(examples.windows(name), loaded, end)
        made.append(Recording(name, sensor_id, shifted, windows))
    return made


def tests(bench: OnTheBench, recording: Recording) -> list[Recording]:
    """A test of each unit, within a second: from the lowest to the highest value of its part of a recording."""
    length = -(-recording.readings.height // len(bench.serials))
    return [
        Recording(
            f"test of {serial}",
            serial,
            part.sort("value")
            .gather_every(-(-part.height // TEST_READINGS))
            .with_columns(
                sensor_id=pl.lit(serial),
                station=pl.lit("bench"),
                event_time=bench.since + pl.duration(milliseconds=20 * pl.int_range(pl.len())),
            ),
            [],
        )
        for serial, part in zip(bench.serials, recording.readings.iter_slices(length), strict=True)
    ]


def send_readings(gateway: Client, settings: Settings, sent: list[Recording]) -> Sent:
    """Upload the recordings in every content type: a day of one arrives late, one batch comes twice.

    Some broken messages go past the API, straight to the topic.
    """
    counted = Sent()
    late: list[pl.DataFrame] = []
    for recording in sent:
        middle = recording.readings.item(recording.readings.height // 2, "event_time").date()
        is_late = pl.col("event_time").dt.date() == middle
        if recording is sent[0]:
            late.append(recording.readings.filter(is_late))
            on_time = recording.readings.filter(~is_late)
        else:
            on_time = recording.readings
        for at, batch in enumerate(on_time.iter_slices(UPLOAD_READINGS)):
            _upload(gateway, batch, (ARROW, JSON, NDJSON)[at % 3], counted)
    for batch in late:
        _upload(gateway, batch, ARROW, counted)
    again = sent[0].readings.head(500)
    _upload(gateway, again, JSON, counted)
    counted.sent_twice = again.height
    wrong = sent[0].readings.head(3).with_columns(sensor_type=pl.lit("smell"))
    _upload(gateway, pl.concat([sent[0].readings.tail(1), wrong]), JSON, counted)
    counted.sent_twice += 1
    counted.broken = _break(settings)
    return counted


def _upload(gateway: Client, readings: pl.DataFrame, content_type: str, counted: Sent) -> None:
    answer = gateway.upload(body(readings, content_type), content_type)
    counted.sent += readings.height
    counted.acknowledged += answer["accepted"]
    counted.rejected += answer["rejected_count"]


def body(readings: pl.DataFrame, content_type: str) -> bytes:
    """An upload's body with these readings, which have the columns of READING."""
    if content_type == ARROW:
        return encode(readings)
    told = readings.select(name for name in READING.names() if readings[name].null_count() < readings.height)
    lines = told.with_columns(pl.col("event_time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")).write_ndjson().strip()
    if content_type == NDJSON:
        return lines.encode()
    return f'{{"readings": [{",".join(lines.splitlines())}]}}'.encode()


def _break(settings: Settings) -> int:
    """Put broken messages on the topic, as a careless producer would; the dead letters to expect."""
    producer = kafka.producer(settings)
    for message, content_type in BROKEN:
        headers: list[tuple[str, str | bytes | None]] = [("content-type", content_type)]
        producer.produce(settings.readings_topic, message, key="TMP-100-0001", headers=headers)
    producer.flush(30)
    return BROKEN_DEAD_LETTERS


def send_orders(url: str, serial: int) -> tuple[Sent, OnTheBench]:
    """Orders of several customers: accepted, over a limit, refused; some approved, one built and put to the test."""
    counted = Sent()
    with Client(url, "ada") as ada, Client(url, "gus") as gus, Client(url, "olivia") as olivia:
        placed = [order for buyer in (ada, gus) for order in _place(buyer, counted)]
        placed.append(olivia.order("TMP-200", UNITS, customer_id="globex", notes="by telephone"))
        _count(counted, placed[-1])
        waiting = [order for order in placed if order["status"] == "pending_approval"]
        built = waiting[-1]["order_id"]
        with Client(url, "paul") as paul:
            _count(counted, paul.set_status(built, "accepted", "known project"))
            _count(counted, paul.set_status(waiting[0]["order_id"], "rejected", "ask for a quotation"))
        for status in ("routed", "in_production"):
            _count(counted, olivia.set_status(built, status))
        serials = [f"TMP-200-{serial:04d}-{number:02d}" for number in range(1, UNITS + 1)]
        olivia.enter_units(built, serials[::2], "dresden-1")
        olivia.enter_units(built, serials[1::2], "austin-1")
        since = datetime.now(UTC)
        _count(counted, olivia.set_status(built, "in_test"))
        cancelled = [order for order in placed if order["status"] == "accepted"][-1]
        _count(counted, olivia.set_status(cancelled["order_id"], "cancelled", "the customer called"))
    return counted, OnTheBench(built, serials, since)


def deliver(url: str, bench: OnTheBench, counted: Sent) -> None:
    """Send the customer what was tested."""
    with Client(url, "olivia") as olivia:
        for status in ("shipped", "delivered"):
            _count(counted, olivia.set_status(bench.order_id, status))


def build(url: str, unit: str) -> None:
    """An order of TMP-100 in production, with a unit built: what that sends from now on is its test."""
    with Client(url, "ada") as ada, Client(url, "olivia") as olivia:
        order_id = ada.order("TMP-100", 4, notes="demo")["order_id"]
        for status in ("routed", "in_production"):
            olivia.set_status(order_id, status)
        olivia.enter_units(order_id, [unit], "dresden-1")


def _place(buyer: Client, counted: Sent) -> Iterator[dict[str, str]]:
    ordinary = [("TMP-100", 4), ("TMP-200", 2), ("HUM-100", 3), ("PRS-100", 1), ("OCC-100", 2), ("SPD-100", 1)]
    over_a_limit = [("TMP-100", 1_200)]
    refused = [("VIB-100", 5), ("TMP-999", 1)]
    for sku, quantity in [*ordinary * 3, *over_a_limit, *refused]:
        order = buyer.order(sku, quantity, notes="demo")
        _count(counted, order)
        yield order


def _count(counted: Sent, order: dict[str, str]) -> None:
    """One request, one event."""
    counted.sent += 1
    counted.acknowledged += 1
    counted.statuses[order["status"]] = counted.statuses.get(order["status"], 0) + 1


def live_batch(sent: list[Recording], second: int) -> pl.DataFrame:
    """One reading per sensor, now: the recording's values over again, from its start."""
    now = datetime.now(UTC)
    rows = [one.readings.row(second % one.readings.height, named=True) | {"event_time": now} for one in sent]
    return pl.DataFrame(rows, schema=READING)


def some_order(chosen: random.Random) -> tuple[str, int]:
    """A sku and a quantity, small enough to be accepted."""
    return chosen.choice(["TMP-100", "TMP-200", "HUM-100", "PRS-100"]), chosen.randint(1, 3)
