"""The relay: publishes what the outbox holds to Kafka, each order's events one after another."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from sensorhouse import logs
from sensorhouse.errors import DependencyDown
from sensorhouse.settings import Settings
from sensors_io.kafka import producer
from warehouse import locks
from warehouse.database import Connection, connect
from warehouse.locks import Lock
from warehouse.outbox import OutboxRow, forget_published, mark_published, unpublished

BATCH = 1000
IDLE_S = 0.2
AFTER_AN_ERROR_S = 1.0
# What a stopping relay still waits for Kafka's answers; what is unanswered then is published again by the next.
LAST_ANSWERS_WITHIN_S = 5.0
FORGET_EVERY_S = 60.0

log = structlog.get_logger()


def run(settings: Settings, stopping: threading.Event) -> None:
    """Publish until `stopping` is set; waits while another relay leads, Postgres is away or Kafka is.

    At least once: whoever reads the topic knows an event by its id.
    """
    kafka = producer(settings)
    while not stopping.is_set():
        try:
            with connect(settings.database_url, autocommit=True) as connection:
                _lead(connection, kafka, settings, stopping)
        except DependencyDown as error:
            log.warning("postgres_away", error=str(error))
            stopping.wait(AFTER_AN_ERROR_S)
    kafka.close()


def _lead(connection: Connection, kafka: Producer, settings: Settings, stopping: threading.Event) -> None:
    topic, kept_for = settings.orders_topic, timedelta(days=settings.outbox_days)
    while not locks.take(connection, Lock.RELAY):
        if stopping.wait(AFTER_AN_ERROR_S):
            return
    log.info("relay_leads", topic=topic)
    forget_at = 0.0
    while not stopping.is_set():
        if time.monotonic() >= forget_at:
            # A little at a time: what waits to be published comes first.
            more = forget_published(connection, kept_for=kept_for)
            forget_at = time.monotonic() + (0.0 if more else FORGET_EVERY_S)
        rows = unpublished(connection, BATCH)
        if not rows:
            stopping.wait(IDLE_S)
            continue
        delivered = _publish(kafka, topic, _first_of_each_order(rows), stopping)
        if delivered:
            mark_published(connection, delivered)
            log.debug("published", events=len(delivered))
        else:
            stopping.wait(AFTER_AN_ERROR_S)


def _first_of_each_order(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """One event per order, its lowest version: the next waits until that is marked, so that none is ever overtaken."""
    first: dict[str, OutboxRow] = {}
    for row in rows:
        before = first.get(row.aggregateid)
        if before is None or row.version < before.version:
            first[row.aggregateid] = row
    return list(first.values())


def _publish(kafka: Producer, topic: str, rows: Sequence[OutboxRow], stopping: threading.Event) -> list[UUID]:
    """Send the events and wait; returns those that Kafka has."""
    delivered: list[UUID] = []
    failed: list[str] = []
    for row in rows:

        def note(error: KafkaError | None, _message: Message, event_id: UUID = row.id) -> None:
            if error is None:
                delivered.append(event_id)
            else:
                failed.append(error.str())

        headers: list[tuple[str, str | bytes | None]] = [
            ("id", str(row.id)),
            ("version", str(row.version)),
            ("content-type", "application/json"),
        ]
        try:
            kafka.produce(topic, row.payload.encode(), row.aggregateid.encode(), on_delivery=note, headers=headers)
        except (BufferError, KafkaException) as error:
            failed.append(str(error))
            break
    _await_answers(kafka, stopping)
    if failed:
        log.warning("kafka_refused", events=len(failed), error=failed[0])
    return delivered


def _await_answers(kafka: Producer, stopping: threading.Event) -> None:
    give_up_at = None
    while len(kafka):
        kafka.poll(0.1)
        if stopping.is_set() and give_up_at is None:
            give_up_at = time.monotonic() + LAST_ANSWERS_WITHIN_S
        if give_up_at is not None and time.monotonic() > give_up_at:
            kafka.purge()
            kafka.poll(0)
            return


def main() -> None:
    """Run the relay until SIGTERM or an interrupt."""
    settings = Settings.load()
    logs.configure(settings.log_level)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    run(settings, stopping)
    log.info("relay_ends")


if __name__ == "__main__":
    main()
