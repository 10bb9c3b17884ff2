"""The servers of the tests themselves."""

from __future__ import annotations

import pytest

from sensorhouse.settings import Settings
from sensors_io.kafka import admin, describe
from tests.servers import Servers
from warehouse.database import connect


def test_a_test_has_its_own_topics(settings: Settings) -> None:
    assert len(describe(admin(settings), settings.readings_topic).partitions) == settings.topic_partitions


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_test_has_its_own_database(settings: Settings, attempt: int) -> None:
    with connect(settings.database_url) as connection:
        connection.execute("create table only_mine (number int)")


def test_a_killed_server_comes_back_with_its_data(servers: Servers, settings: Settings) -> None:
    with connect(settings.database_url) as connection:
        connection.execute("create table kept as select 1 as number")
    servers.postgres.kill()
    servers.kafka.kill()
    servers.start()
    with connect(settings.database_url) as connection:
        assert connection.execute("select number from kept").fetchone() == (1,)
    assert describe(admin(settings), settings.orders_topic).partitions


def test_the_lake_is_on_s3_or_in_a_folder(settings: Settings, folder_settings: Settings) -> None:
    import polars as pl
    from deltalake import DeltaTable, write_deltalake

    frame = pl.DataFrame({"number": [1, 2]}).to_arrow()
    keys = {
        "aws_endpoint": settings.s3_endpoint or "",
        "aws_region": settings.s3_region,
        "aws_allow_http": "true",
        "aws_access_key_id": settings.s3_access_key_id.get_secret_value() if settings.s3_access_key_id else "",
        "aws_secret_access_key": settings.s3_secret_access_key.get_secret_value()
        if settings.s3_secret_access_key
        else "",
    }
    for made, options in ((settings, keys), (folder_settings, {})):
        write_deltalake(f"{made.lake}/numbers", frame, storage_options=options)
        assert DeltaTable(f"{made.lake}/numbers", storage_options=options).version() == 0
