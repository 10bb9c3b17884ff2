"""Dagster sensors: they look at offsets, touched keys and who is silent, and ask for runs; no message passes them."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.partition_keys import Key
from assets.readings import refresh_touched_keys, to_judge
from assets.resources import House
from assets.silence import tell_silent
from orchestration.jobs import drain_orders, drain_readings
from orchestration.runs import is_coming
from sensorhouse.errors import DependencyDown
from sensors_io.drain import Share
from sensors_io.lag import look
from warehouse import staged
from warehouse.database import connect
from warehouse.locks import Lock, is_held

SHARE = "sensorhouse/share"


def _drain_sensor(name: str, job: Any) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{name}_lag",
        job=job,
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Asks for drains of the topic of {name} when messages wait that no drain is at work on.",
    )
    def lag_sensor(
        context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        settings = house.settings
        try:
            lag = look(settings, settings.orders_topic if name == "orders" else settings.readings_topic)
        except DependencyDown as error:
            return dg.SkipReason(f"can't look: {error}")
        if not lag.messages:
            return dg.SkipReason("caught up")
        waiting = {p: one.messages for p, one in lag.partitions.items() if one.messages and not one.is_draining}
        asked = [
            _drain_request(f"raw_{name}", share, waiting)
            for share in (Share(index, settings.drain_runs) for index in range(settings.drain_runs))
            if any(map(share.has, waiting)) and not is_coming(context.instance, job.name, {SHARE: str(share)})
        ]
        return asked or dg.SkipReason(f"drains are at work or about to start; {lag.messages} messages wait")

    return lag_sensor


def _drain_request(op: str, share: Share, waiting: Mapping[int, int]) -> dg.RunRequest:
    lag = sum(messages for partition, messages in waiting.items() if share.has(partition))
    return dg.RunRequest(
        run_config={"ops": {op: {"config": {"share": share.index, "of": share.of}}}},
        tags={SHARE: str(share), "sensorhouse/lag": str(lag)},
    )


orders_lag = _drain_sensor("orders", drain_orders)
readings_lag = _drain_sensor("readings", drain_readings)


@dg.sensor(
    job=refresh_touched_keys,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Asks for one refresh run when partition keys were touched: late days at once, today's every `refresh_s` "
        "seconds and when the drain ends. And when staged days wait to be judged: today's every `judge_s` seconds."
    ),
)
def touched_keys(context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]) -> dg.RunRequest | dg.SkipReason:
    """Look for keys that are due."""
    try:
        with connect(house.settings.database_url) as connection:
            touches = staged.ready(connection, refresh_s=house.settings.refresh_s)
            keys = {Key(touch.sensor_type, touch.day) for touch in touches if touch.is_due}
            keys.update(to_judge(house, connection))
            refreshing = is_held(connection, Lock.REFRESH)
    except DependencyDown as error:
        return dg.SkipReason(f"can't look: {error}")
    if not keys:
        return dg.SkipReason("no partition key is touched and due")
    if refreshing or is_coming(context.instance, refresh_touched_keys.name):
        return dg.SkipReason(f"a refresh run is at work or about to start; {len(keys)} keys wait")
    return dg.RunRequest(tags={"sensorhouse/partition_keys": str(len(keys))})


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Tells sensors that used to talk and are silent: for 20 of their typical intervals, and 15 minutes. A silence "
        "is a row of kind drop_out in the table `episodes`, whose end moves on until the sensor talks again. While "
        "messages wait to be drained, silence counts up to the newest that was read. Starts no runs."
    ),
    metadata={"table": "episodes", "told for (setting)": "SENSORHOUSE_SILENCE_DAYS"},
)
def silent_sensors(house: dg.ResourceParam[House]) -> dg.SkipReason:
    """Look in the tick itself: 100,000 series take a fraction of a second, and a run would cost several."""
    try:
        told = tell_silent(house.settings)
    except DependencyDown as error:
        return dg.SkipReason(f"can't look: {error}")
    if told is None:
        return dg.SkipReason("another look is at work")
    return dg.SkipReason(f"series: {told.begun} fell silent, {told.going_on} are silent still, {told.ended} talk again")
