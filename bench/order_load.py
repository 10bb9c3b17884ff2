"""The requests of the benchmark of orders, as vegeta's targets: each order with a key of its own."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

import orjson
import polars as pl

from bench.data import ending_now
from bench.order_users import Buyer, People
from bench.topics import lines

JSON = "application/json"
SENSORS = 100
PER_UPLOAD = 20
# Of a hundred requests of the mixed load; the rest are orders.
READS, UPLOADS = 15, 5


def order_targets(url: str, people: People, name: str) -> Iterator[bytes]:
    """Orders without end. The key is in the notes too, so that a kept order tells which request it comes from."""
    dice = random.Random(name)
    for number in count():
        key = f"{name}-{number}"
        body = {"sku": dice.choice(people.skus), "quantity": dice.randint(1, 20), "notes": key}
        buyer = dice.choice(people.buyers)
        yield target("POST", f"{url}/orders/", buyer.authorization, key=key, body=orjson.dumps(body))


def mixed_targets(
    url: str, people: People, name: str, known: pl.DataFrame, uploads: Sequence[bytes]
) -> Iterator[bytes]:
    """Orders, reads and uploads without end; `known` orders (order_id, customer_id) are read by their customer."""
    dice = random.Random(name)
    orders = order_targets(url, people, name)
    buyers = {buyer.customer_id: buyer for buyer in people.buyers}
    ids = known.select("order_id", "customer_id").rows()
    for number in count():
        turn = dice.randrange(100)
        if turn < READS:
            yield _read_target(url, dice, people.buyers, buyers, ids)
        elif turn < READS + UPLOADS:
            body = uploads[number % len(uploads)]
            yield target("POST", f"{url}/sensors/data", people.device, key=f"{name}-upload-{number}", body=body)
        else:
            yield next(orders)


def uploads(number: int) -> list[bytes]:
    """Bodies of uploads, of 20 readings each; the last ends about now."""
    texts = [
        line
        for block in ending_now(number * PER_UPLOAD, sensors=SENSORS).readings(number * PER_UPLOAD)
        for line in lines(block)
    ]
    return [
        b'{"readings":[' + b",".join(texts[start : start + PER_UPLOAD]) + b"]}"
        for start in range(0, len(texts), PER_UPLOAD)
    ]


def target(method: str, url: str, authorization: str, *, key: str | None = None, body: bytes | None = None) -> bytes:
    """One request as vegeta reads it: a line of JSON, the body in base64."""
    header = {"Authorization": [authorization]}
    told: dict[str, object] = {"method": method, "url": url, "header": header}
    if key is not None:
        header["Idempotency-Key"] = [key]
    if body is not None:
        header["Content-Type"] = [JSON]
        told["body"] = b64encode(body).decode()
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def write(file: Path, targets: Iterator[bytes], number: int) -> None:
    """Put that many into a file."""
    with file.open("wb") as output:
        output.writelines(islice(targets, number))


def _read_target(
    url: str, dice: random.Random, everyone: Sequence[Buyer], buyers: dict[str, Buyer], ids: Sequence[tuple[str, str]]
) -> bytes:
    """One of three reads: a customer's newest orders, an order of theirs, a sensor's newest readings."""
    which = dice.randrange(3)
    if which == 0:
        order_id, customer_id = dice.choice(ids)
        return target("GET", f"{url}/orders/{order_id}", buyers[customer_id].authorization)
    authorization = dice.choice(everyone).authorization
    if which == 1:
        return target("GET", f"{url}/orders/?limit=20", authorization)
    return target("GET", f"{url}/sensors/data?sensor_id={dice.choice(_SENSOR_IDS)}&limit=50", authorization)


_SENSOR_IDS = ending_now(SENSORS, sensors=SENSORS).rounds(1)["sensor_id"].to_list()
