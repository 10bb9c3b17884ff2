"""Partition keys: the event day and the sensor type of readings."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import dagster as dg

sensor_types = dg.DynamicPartitionsDefinition(name="sensor_types")
# From the earliest event time that is taken. Two days of offset: today, and for readings an hour ahead, tomorrow.
days = dg.DailyPartitionsDefinition(start_date="2000-01-01", end_offset=2)
day_by_type = dg.MultiPartitionsDefinition({"day": days, "sensor_type": sensor_types})

# Bounds the memory of a refresh, and the number of its commits.
_DAYS_A_COMMIT = 31


class Key(NamedTuple):
    """A day's readings of one sensor type; sorts by sensor type, then day."""

    sensor_type: str
    day: date

    @property
    def partition_key(self) -> dg.MultiPartitionKey:
        """As Dagster writes it."""
        return dg.MultiPartitionKey({"day": self.day.isoformat(), "sensor_type": self.sensor_type})


def keys_of(context: dg.AssetExecutionContext) -> list[Key]:
    """The partition keys that a run was asked for."""
    return [_key(one) for one in context.partition_keys]


def _key(partition_key: str) -> Key:
    assert isinstance(partition_key, dg.MultiPartitionKey)
    by_dimension = partition_key.keys_by_dimension
    return Key(by_dimension["sensor_type"], date.fromisoformat(by_dimension["day"]))


def by_type(keys: Iterable[Key]) -> dict[str, list[date]]:
    """Days in order per sensor type."""
    grouped: dict[str, list[date]] = {}
    for key in sorted(set(keys)):
        grouped.setdefault(key.sensor_type, []).append(key.day)
    return grouped


def commits(keys: Iterable[Key]) -> Iterator[tuple[str, list[date]]]:
    """These keys as sensor types with the days, in order, that go into one commit."""
    for sensor_type, type_days in by_type(keys).items():
        for start in range(0, len(type_days), _DAYS_A_COMMIT):
            yield sensor_type, type_days[start : start + _DAYS_A_COMMIT]


def define_sensor_types(instance: dg.DagsterInstance, types: Sequence[str]) -> None:
    """Make partition keys of types that have none; Dagster takes undefined keys without a word."""
    known = set(instance.get_dynamic_partitions("sensor_types"))
    if new := [one for one in types if one not in known]:
        instance.add_dynamic_partitions("sensor_types", new)
