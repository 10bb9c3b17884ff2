"""Superset opened with the API's accounts, by what the API says of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from assets import applied_dashboards, dashboard_files
from assets.superset import Superset, sign_in
from infra.local import services
from sensorhouse.errors import DashboardsUnusable, NotFound
from sensorhouse.settings import Settings
from tests.servers import Server
from tests.waiting import wait_until
from warehouse.accounts import add_user
from warehouse.database import connect

# The first test waits until Superset has made its database, half a minute of both processors.
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning"),
]

PASSWORD = "a long pass phrase"
FILES = dashboard_files.read()


@pytest.fixture(scope="module", autouse=True)
def people(superset_house: Settings) -> Iterator[None]:
    """An API at the address that Superset was told, and an account of each kind."""
    for name, role in (("amy", "admin"), ("oscar", "operator"), ("vic", "viewer"), ("dev", "device")):
        add_user(superset_house.database_url, name, PASSWORD, [role])
    with sign_in(superset_house) as superset:
        applied_dashboards.apply(superset, superset_house, FILES)
    api = Server(services.api(superset_house), superset_house.state_dir / "api.log")
    api.start()
    yield
    api.stop()


@contextmanager
def signed_in(settings: Settings, name: str, password: str = PASSWORD) -> Iterator[Superset]:
    """A session of somebody."""
    theirs = {"superset_user": name, "superset_password": SecretStr(password)}
    with sign_in(settings.model_copy(update=theirs)) as superset:
        yield superset


def may(superset: Superset, method: str, path: str, **sent: Any) -> bool:
    """Whether Superset does it for them."""
    try:
        superset.ask(method, path, **sent)
    except (DashboardsUnusable, NotFound):
        return False
    return True


def sees_users(superset: Superset) -> bool:
    """Whether they may list Superset's users, as only its admins may."""
    return may(superset, "GET", "/api/v1/security/users/")


def dataset(superset: Superset, name: str) -> dict[str, Any]:
    """One of their own, on the marts' database."""
    shown = superset.ask("GET", "/api/v1/dataset/").json()["result"][0]
    return {"database": shown["database"]["id"], "schema": "marts", "table_name": f"{name}'s", "sql": "select 1 as one"}


def makes_and_drops(superset: Superset, dataset: dict[str, Any]) -> bool:
    """Whether they may make it; what the other tests share is left as it was."""
    try:
        made = superset.ask("POST", "/api/v1/dataset/", json=dataset).json()["id"]
    except DashboardsUnusable:
        return False
    superset.ask("DELETE", f"/api/v1/dataset/{made}")
    return True


@pytest.mark.parametrize(
    ("name", "makes_datasets", "is_admin"),
    [("amy", True, True), ("oscar", True, False), ("Vic", False, False)],
)
def test_roles_in_the_api_decide(superset_house: Settings, name: str, makes_datasets: bool, is_admin: bool) -> None:
    with signed_in(superset_house, name) as superset:
        charts = superset.charts("orders")
        assert [answer.error for answer in map(superset.answer, charts)] == [None] * len(charts)
        mine = superset.ask("POST", "/api/v1/dashboard/", json={"dashboard_title": f"{name}'s own"}).json()["id"]
        superset.ask("DELETE", f"/api/v1/dashboard/{mine}")
        assert makes_and_drops(superset, dataset(superset, name)) is makes_datasets
        assert sees_users(superset) is is_admin


@pytest.mark.parametrize(
    ("name", "password"), [("dev", PASSWORD), ("vic", "another"), ("nobody", PASSWORD), ("vic", " "), ("", PASSWORD)]
)
def test_nobody_else_is_let_in(superset_house: Settings, name: str, password: str) -> None:
    with pytest.raises(DashboardsUnusable), signed_in(superset_house, name, password):
        pass


def test_a_role_that_was_taken_away_is_gone_at_the_next_sign_in(superset_house: Settings) -> None:
    add_user(superset_house.database_url, "rita", PASSWORD, ["admin"])
    with signed_in(superset_house, "rita") as superset:
        assert sees_users(superset)
    with connect(superset_house.database_url) as connection:
        connection.execute("update users set roles = '{viewer}' where username = 'rita'")

    def is_gone() -> bool:
        with signed_in(superset_house, "rita") as superset:
            return not sees_users(superset)

    wait_until(is_gone, within_s=30)


def test_who_was_deactivated_in_superset_is_not_let_in(superset_house: Settings) -> None:
    add_user(superset_house.database_url, "drew", PASSWORD, ["viewer"])
    with signed_in(superset_house, "drew"):
        pass
    with sign_in(superset_house) as admin:
        users = admin.ask("GET", "/api/v1/security/users/", params={"q": "(page_size:100)"}).json()["result"]
        (number,) = [user["id"] for user in users if user["username"] == "drew"]
        admin.ask("PUT", f"/api/v1/security/users/{number}", json={"active": False})
    with pytest.raises(DashboardsUnusable), signed_in(superset_house, "drew"):
        pass


def test_an_account_never_takes_over_one_of_supersets_own(superset_house: Settings) -> None:
    """Superset's admin has the same name and another password."""
    add_user(superset_house.database_url, superset_house.superset_user, PASSWORD, ["viewer"])
    with pytest.raises(DashboardsUnusable), signed_in(superset_house, superset_house.superset_user):
        pass
    with sign_in(superset_house) as superset:
        assert sees_users(superset)
