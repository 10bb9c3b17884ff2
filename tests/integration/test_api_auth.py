"""Who gets in, and as whom."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt
import pytest

from api import context
from tests.api import Api, assert_problem
from warehouse.accounts import DEMO_PASSWORD

GRACE = {"username": "grace", "password": "a long pass phrase", "email": "grace@example.com"}


async def test_a_role_that_is_taken_away_and_a_user_that_is_deleted_count_at_once(api: Api) -> None:
    assert (await api("GET", "/orders/", "vera")).status_code == 200
    vera = {"authorization": f"Bearer {api.token('vera')}"}

    async def answered(status: int) -> None:
        async with asyncio.timeout(context.USER_GOOD_FOR_S / 2):
            while (await api("GET", "/orders/", headers=vera)).status_code != status:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    api.rows("update users set roles = '{device}' where username = 'vera' returning 1")
    await answered(403)
    api.rows("update users set roles = '{viewer}' where username = 'vera' returning 1")
    await answered(200)
    api.rows("delete from users where username = 'vera' returning 1")
    await answered(401)


async def test_who_registers_can_sign_in_and_order_for_a_customer_of_their_own(api: Api) -> None:
    registered = await api("POST", "/auth/register", json=GRACE)
    assert registered.status_code == 201
    user = registered.json()
    assert user["roles"] == ["customer"]
    assert "password" not in registered.text
    token = await api("POST", "/auth/token", data=GRACE)
    answer = token.json()
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 3600)
    headers = {"authorization": f"Bearer {answer['access_token']}"}
    assert (await api("GET", "/auth/me", headers=headers)).json() == user
    order = await api("POST", "/orders/", headers=headers, json={"sku": "TMP-100", "quantity": 1})
    assert order.json()["customer_id"] == user["customer_id"]


async def test_whoever_registers_under_a_customers_name_does_not_become_that_customer(api: Api) -> None:
    user = (await api("POST", "/auth/register", json=GRACE | {"username": "acme"})).json()
    assert user["customer_id"] != "acme"


async def test_a_taken_name_is_a_conflict_and_leaves_nothing(api: Api) -> None:
    before = api.rows("select count(*) from customers")
    assert_problem(await api("POST", "/auth/register", json=GRACE | {"username": "Ada"}), 409)
    assert api.rows("select count(*) from customers") == before


@pytest.mark.parametrize(
    "change",
    [
        {"password": "short"},
        {"password": "é" * 37},
        {"password": 12345678},
        {"username": "no spaces"},
        {"username": "nul\x00"},
        {"username": "x"},
        {"email": "nobody"},
        {"roles": ["admin"]},
    ],
)
async def test_a_registration_that_cannot_be_is_refused_by_field(api: Api, change: dict[str, Any]) -> None:
    problem = assert_problem(await api("POST", "/auth/register", json=GRACE | change), 422)
    assert [error["pointer"] for error in problem["errors"]] == [f"#/{name}" for name in change]
    assert api.rows("select from users where username = 'grace'") == []


@pytest.mark.parametrize(
    "form",
    [
        {"username": "ada", "password": "wrong"},
        {"username": "ada", "password": "x" * 100},
        {"username": "nobody", "password": DEMO_PASSWORD},
        {"username": "a\x00da", "password": "\x00"},
    ],
)
async def test_a_wrong_name_or_password_gets_one_and_the_same_answer(api: Api, form: dict[str, str]) -> None:
    response = await api("POST", "/auth/token", data=form)
    assert assert_problem(response, 401)["detail"] == "wrong username or password"
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_an_unknown_name_takes_as_long_as_a_wrong_password(api: Api) -> None:
    async def seconds(username: str) -> float:
        began = time.perf_counter()
        await api("POST", "/auth/token", data={"username": username, "password": "wrong"})
        return time.perf_counter() - began

    known, unknown = [min([await seconds(name) for _ in range(3)]) for name in ("ada", "nobody")]
    # Without the comparison it would be some fifty times as fast.
    assert unknown > known / 3


async def test_tokens_that_are_forged_expired_or_unsigned_do_not_get_in(api: Api) -> None:
    claims: dict[str, Any] = jwt.decode(api.token("ada"), options={"verify_signature": False})
    key = api.settings.signing_key
    forged = [
        jwt.encode(claims, "x" * 40, "HS256"),
        jwt.encode(claims | {"exp": int(time.time()) - 1}, key, "HS256"),
        jwt.encode(claims, "", "none"),
        api.token("ada")[:-3],
    ]
    for token in forged:
        response = await api("GET", "/orders/", headers={"authorization": f"Bearer {token}"})
        assert_problem(response, 401)
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert_problem(await api("GET", "/orders/"), 401)


async def test_a_deleted_user_is_out_and_a_role_taken_away_is_gone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "USER_GOOD_FOR_S", 0.0)
    token = {"authorization": f"Bearer {api.token('vera')}"}
    assert (await api("GET", "/orders/", headers=token)).status_code == 200
    api.rows("update users set roles = '{device}' where username = 'vera' returning 1")
    assert_problem(await api("GET", "/orders/", headers=token), 403)
    api.rows("delete from users where username = 'vera' returning 1")
    assert_problem(await api("GET", "/orders/", headers=token), 401)


async def test_only_an_admin_adds_users(api: Api) -> None:
    wanted = {"username": "gateway-2", "password": "a long pass phrase", "roles": ["device"]}
    assert_problem(await api("POST", "/auth/users", "olivia", json=wanted), 403)
    assert (await api("POST", "/auth/users", "root", json=wanted)).json()["roles"] == ["device"]
    assert_problem(await api("POST", "/auth/users", "root", json=wanted), 409)
    assert_problem(await api("POST", "/auth/users", "root", json=wanted | {"username": "b1", "roles": ["boss"]}), 422)
    customer = wanted | {"username": "carl", "roles": ["customer"]}
    assert_problem(await api("POST", "/auth/users", "root", json=customer), 422)
    assert_problem(await api("POST", "/auth/users", "root", json=customer | {"customer_id": "nobody"}), 422)
    assert (await api("POST", "/auth/users", "root", json=customer | {"customer_id": "globex"})).status_code == 201
