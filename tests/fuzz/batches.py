"""One batch of the fuzzer: hostile messages among valid ones, decoded as a slice is."""

from __future__ import annotations

import random
from datetime import timedelta

import polars as pl

from sensors_io.codecs import decode
from sensors_io.reading import WHOLE_MESSAGE, Decoded
from sensors_io.reading_json import as_json
from sensors_io.validation import judge
from tests.fuzz.cases import Case, hostile, valid
from tests.readings import NOON, SENSOR_TYPES

# Few enough that most groups fail and many hostile bytes meet the parsers of groups too.
_PER_VALID = 4
_PLACES = ("message", "index")


def batch_of(seed: str, size: int) -> tuple[list[Case], list[int]]:
    """So many hostile messages in random order with valid ones, and where those are."""
    chance = random.Random(seed)
    marked = [(hostile(chance), False) for _ in range(size)]
    marked += [(chance.choice(valid()), True) for _ in range(size // _PER_VALID)]
    chance.shuffle(marked)
    return [case for case, _ in marked], [at for at, (_, is_valid) in enumerate(marked) if is_valid]


def part_of(seed: str, size: int, kept: list[int]) -> tuple[list[Case], list[int]]:
    """Only these of a batch."""
    cases, untouched = batch_of(seed, size)
    return [cases[at] for at in kept], [place for place, at in enumerate(kept) if at in untouched]


def check(cases: list[Case], untouched: list[int]) -> None:
    """Decode and judge; the valid messages must come through, and nothing may speak for another message."""
    decoded = decode([message for message, _ in cases], [kind for _, kind in cases])
    kept, refused = judge(decoded.readings, sensor_types=SENSOR_TYPES, seen_at=NOON + timedelta(days=1))
    payloads = as_json(refused)
    assert payloads.null_count() == 0
    # Everything must be fit to be written: text that Postgres holds, and bytes that are what they say.
    for text in ("sensor_id", "metric", "unit", "station", "attributes"):
        assert not kept.get_column(text).str.contains("\x00", literal=True).any(), text
    assert not decoded.rejected.get_column("reason").str.contains("\x00", literal=True).any()
    assert kept.select(_PLACES).is_unique().all()
    some = pl.col("reason").str.contains("of its readings", literal=True)
    whole = decoded.rejected.filter((pl.col("index") == WHOLE_MESSAGE) & ~some).get_column("message")
    assert not whole.is_in(decoded.readings.get_column("message").implode()).any()
    for case in {cases[at] for at in untouched}:
        _check_untouched(decoded, [at for at in untouched if cases[at] == case], case)


def _check_untouched(decoded: Decoded, places: list[int], case: Case) -> None:
    alone = decode([case[0]], [case[1]]).readings.sort("index").drop("message")
    found = decoded.readings.filter(pl.col("message").is_in(places)).sort(_PLACES)
    assert found.drop("message").equals(pl.concat([alone] * len(places))), f"not untouched: {case!r}"
    assert found.get_column("message").unique().sort().to_list() == places
    assert not decoded.rejected.get_column("message").is_in(places).any()
