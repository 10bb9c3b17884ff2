"""Orders through the API."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from api import context, expiry
from tests.api import Api, assert_problem, serving
from warehouse.database import connect


async def placed(api: Api, quantity: int = 10, *, user: str = "ada", **more: object) -> dict[str, Any]:
    response = await api("POST", "/orders/", user, json={"sku": "TMP-100", "quantity": quantity, **more})
    assert response.status_code == 201, response.text
    order: dict[str, Any] = response.json()
    return order


async def moved(api: Api, order: dict[str, Any], status: str, user: str, **request: Any) -> Any:
    return await api("PUT", f"/orders/{order['order_id']}/status", user, json={"status": status}, **request)


async def test_an_order_is_kept_with_its_event_and_its_outbox_row(api: Api) -> None:
    wanted = {"sku": "TMP-100", "quantity": 40, "requested_for": "2099-01-31", "notes": "For line 4."}
    response = await api("POST", "/orders/", "ada", json=wanted)
    assert response.status_code == 201
    order = response.json()
    assert response.headers["etag"] == '"1"'
    none = {"built": 0, "passed": 0, "failed": 0, "untested": 0, "yield": None}
    assert (await api("GET", response.headers["location"], "ada")).json() == order | {"units": none}
    assert order["customer_id"] == "acme"
    assert order["status"] == "accepted"
    assert {name: order[name] for name in wanted} == wanted
    ((event_id, version, kind),) = api.rows("select event_id, version, type from order_events")
    assert (version, kind) == (1, "order_placed")
    ((outbox_id, aggregate, key, payload),) = api.rows("select id, aggregatetype, aggregateid, payload from outbox")
    assert (outbox_id, aggregate, key) == (event_id, "order", order["order_id"])
    assert payload == {
        **{name: order[name] for name in payload if name in order},
        "event_id": str(event_id),
        "type": "order_placed",
        "occurred_at": order["created_at"],
        "actor": "ada",
    }


async def test_policy_answers_in_the_response(api: Api) -> None:
    large = await placed(api, 600)
    assert (large["status"], large["reason"]) == (
        "pending_approval",
        "pending approval: 600 temperature sensors, above 500, rule A-1",
    )
    unknown = await placed(api, sku="NOPE")
    assert (unknown["status"], unknown["reason"]) == ("rejected", "rejected: there is no product NOPE, rule S-1")
    forbidden = await placed(api, user="gus", sku="VIB-100")
    assert forbidden["status"] == "rejected"


async def test_orders_that_arrive_together_share_the_30_day_limit(api: Api) -> None:
    async with serving(api.settings) as other:
        orders = await asyncio.gather(*(placed(api if at % 2 else other, 10, user="gus") for at in range(200)))
    # 1,000 in 30 days: what waits for approval counts as well, so no sum of what is accepted is ever above.
    statuses = Counter(order["status"] for order in orders)
    assert statuses == {"accepted": 100, "pending_approval": 100}


async def test_what_was_cancelled_no_longer_counts_against_the_limit(api: Api) -> None:
    orders = [await placed(api, 100, user="gus") for _ in range(10)]
    await moved(api, orders[0], "cancelled", "gus")
    assert (await placed(api, 100, user="gus"))["status"] == "accepted"


async def test_an_operator_names_the_customer_and_a_customer_only_themselves(api: Api) -> None:
    assert (await placed(api, user="olivia", customer_id="globex"))["customer_id"] == "globex"
    assert (await placed(api, user="ada", customer_id="acme"))["customer_id"] == "acme"
    wanted = {"sku": "TMP-100", "quantity": 1}
    assert_problem(await api("POST", "/orders/", "ada", json=wanted | {"customer_id": "globex"}), 403)
    assert_problem(await api("POST", "/orders/", "olivia", json=wanted), 422)
    assert_problem(await api("POST", "/orders/", "olivia", json=wanted | {"customer_id": "nobody"}), 422)
    assert_problem(await api("POST", "/orders/", "vera", json=wanted), 403)
    assert len(api.rows("select from orders")) == 2


async def test_pages_hold_every_order_once_newest_first(api: Api) -> None:
    made = [(await placed(api))["order_id"] for _ in range(7)]
    seen, cursor = [], None
    while True:
        page = (
            await api("GET", "/orders/", "vera", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [order["order_id"] for order in page["items"]]
        # Who comes while somebody reads is on no later page.
        await placed(api)
        if not (cursor := page["next"]):
            break
    assert seen == made[::-1]


async def test_links_lead_from_page_to_page(api: Api) -> None:
    made = {(await placed(api))["order_id"] for _ in range(5)}
    seen, following = set(), "/orders/?limit=2&sku=TMP-100"
    while following:
        response = await api("GET", following, "ada")
        seen |= {order["order_id"] for order in response.json()["items"]}
        following = response.links.get("next", {}).get("url", "")
    assert seen == made


async def test_lists_are_filtered_and_a_customer_sees_only_their_own(api: Api) -> None:
    mine, theirs = await placed(api, 600), await placed(api, user="gus")

    async def listed(user: str, query: str = "") -> set[str]:
        return {order["order_id"] for order in (await api("GET", f"/orders/{query}", user)).json()["items"]}

    assert await listed("ada") == {mine["order_id"]}
    assert await listed("vera") == {mine["order_id"], theirs["order_id"]}
    assert await listed("vera", "?customer_id=globex") == {theirs["order_id"]}
    assert await listed("vera", "?status=pending_approval") == {mine["order_id"]}
    assert await listed("vera", "?sku=TMP-100") == {mine["order_id"], theirs["order_id"]}
    assert await listed("vera", "?sku=TMP-200") == set()
    assert_problem(await api("GET", "/orders/?customer_id=globex", "ada"), 403)


async def test_a_customer_who_is_also_a_device_still_sees_only_their_own(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "USER_GOOD_FOR_S", 0.0)
    theirs, mine = await placed(api), await placed(api, user="gus")
    api.rows("update users set roles = '{customer,device}' where username = 'gus' returning 1")
    listed = (await api("GET", "/orders/", "gus")).json()["items"]
    assert [order["order_id"] for order in listed] == [mine["order_id"]]
    assert_problem(await api("GET", f"/orders/{theirs['order_id']}", "gus"), 404)


async def test_a_customer_without_a_customer_sees_nothing(api: Api) -> None:
    api.rows("update users set customer_id = null where username = 'gus' returning 1")
    assert_problem(await api("GET", "/orders/", "gus"), 403)
    assert_problem(await api("POST", "/orders/", "gus", json={"sku": "TMP-100", "quantity": 1}), 403)


async def test_another_customers_order_is_not_found_whatever_is_asked_of_it(api: Api) -> None:
    path = f"/orders/{(await placed(api))['order_id']}"
    assert_problem(await api("GET", path, "gus"), 404)
    assert_problem(await api("GET", f"{path}/history", "gus"), 404)
    assert_problem(await api("PUT", f"{path}/status", "gus", json={"status": "cancelled"}), 404)
    assert_problem(await api("GET", f"/orders/{uuid4()}", "vera"), 404)
    assert api.rows("select status, version from orders") == [("accepted", 1)]


async def test_an_order_goes_all_the_way_and_each_step_is_an_event(api: Api) -> None:
    order = await placed(api, 600)
    steps = ["accepted", "routed", "in_production", "in_test", "shipped", "delivered"]
    for version, status in enumerate(steps, start=2):
        response = await moved(api, order, status, "paul" if status == "accepted" else "olivia")
        assert (response.json()["status"], response.headers["etag"]) == (status, f'"{version}"')
    history = (await api("GET", f"/orders/{order['order_id']}/history", "ada")).json()
    assert [event["status"] for event in history] == ["pending_approval", *steps]
    assert [event["actor"] for event in history] == ["ada", "paul"] + ["olivia"] * 5
    assert [event["policy_version"] for event in history] == [order["policy_version"], *[None] * 6]
    assert api.rows("select type from outbox order by version") == [(event["type"],) for event in history]


async def test_a_customer_cancels_before_production_but_not_after(api: Api) -> None:
    early, late = await placed(api), await placed(api)
    response = await moved(api, early, "cancelled", "ada")
    assert response.json()["status"] == "cancelled"
    for status in ("routed", "in_production"):
        await moved(api, late, status, "olivia")
    problem = assert_problem(await moved(api, late, "cancelled", "ada"), 409)
    assert problem["detail"] == "the order is in_production; from there it can become in_test, not cancelled"
    assert_problem(await moved(api, early, "shipped", "ada"), 403)


async def test_nobody_approves_their_own_order(api: Api) -> None:
    order = await placed(api, 600, user="root", customer_id="acme")
    assert_problem(await moved(api, order, "accepted", "root"), 403)
    assert (await moved(api, order, "accepted", "paul")).status_code == 200


async def test_a_move_meant_for_an_older_version_is_refused(api: Api) -> None:
    order = await placed(api)
    first = await moved(api, order, "routed", "olivia", headers={"if-match": '"1"'})
    assert first.status_code == 200
    for older in ('"1"', 'W/"2"', '""'):
        assert_problem(await moved(api, order, "cancelled", "olivia", headers={"if-match": older}), 412)
    assert (await moved(api, order, "cancelled", "olivia", headers={"if-match": '"1", "2"'})).status_code == 200


async def test_a_move_that_names_no_version_is_refused(api: Api) -> None:
    order = await placed(api, 600)
    problem = assert_problem(await moved(api, order, "cancelled", "ada", headers={"if-match": None}), 428)
    assert '"1"' in problem["detail"]
    for verdict in ("approve", "reject"):
        assert_problem(await api("POST", f"/orders/{order['order_id']}/{verdict}", "paul"), 428)


@pytest.mark.parametrize("given", ["1", "", '"1', '"1" "2"', "latest"])
async def test_a_version_that_is_no_entity_tag_is_refused(api: Api, given: str) -> None:
    order = await placed(api)
    problem = assert_problem(await moved(api, order, "cancelled", "ada", headers={"if-match": given}), 422)
    assert [error["parameter"] for error in problem["errors"]] == ["If-Match"]


@pytest.mark.parametrize(("verdict", "status"), [("approve", "accepted"), ("reject", "rejected")])
async def test_an_approver_decides_once_and_what_they_saw(api: Api, verdict: str, status: str) -> None:
    order = await placed(api, 600)
    path, seen = f"/orders/{order['order_id']}/{verdict}", {"if-match": '"1"'}
    assert_problem(await api("POST", path, "olivia", headers=seen), 403)
    assert_problem(await api("POST", path, "paul", headers={"if-match": '"2"'}), 412)
    answer = await api("POST", path, "paul", headers=seen, json={"reason": "Agreed by phone."})
    assert answer.status_code == 200
    decided = answer.json()
    assert (decided["status"], decided["reason"], decided["version"]) == (status, "Agreed by phone.", 2)
    assert_problem(await api("POST", path, "paul", headers=seen), 412)
    assert_problem(await api("POST", path, "paul", headers={"if-match": '"2"'}), 409)


async def test_what_nobody_approves_in_time_expires_and_counts_no_more(api: Api) -> None:
    order = await placed(api, 600, user="gus")
    assert order["approve_by"] > order["created_at"]
    with connect(api.settings.database_url) as connection:
        # Past the guard: time is what no test can wait for.
        connection.execute("set session_replication_role = replica")
        connection.execute("update orders set approve_by = now()")
    late = await api("POST", f"/orders/{order['order_id']}/approve", "paul", headers={"if-match": "*"})
    assert "has expired" in assert_problem(late, 409)["detail"]
    assert await expiry.expire_overdue(api.app.state.services.pool) == 1
    history = (await api("GET", f"/orders/{order['order_id']}/history", "gus")).json()
    assert [event["status"] for event in history] == ["pending_approval", "expired"]
    assert [event["actor"] for event in history] == ["gus", "policy"]
    assert history[1]["reason"].startswith("expired: nobody approved it by ")
    assert await expiry.expire_overdue(api.app.state.services.pool) == 0


async def test_of_two_moves_at_once_one_wins(api: Api) -> None:
    order = await placed(api)
    answers = await asyncio.gather(
        *(moved(api, order, status, "olivia") for status in ("routed", "cancelled", "routed"))
    )
    assert sorted(answer.status_code for answer in answers)[0] == 200
    versions = api.rows("select version from order_events order by version")
    assert versions == [(version + 1,) for version in range(len(versions))]
    assert len(versions) == 1 + sum(answer.status_code == 200 for answer in answers)


@pytest.mark.parametrize("path", ["/orders", "/orders/"])
async def test_the_collection_answers_with_and_without_its_slash(api: Api, path: str) -> None:
    response = await api("POST", path, "ada", json={"sku": "TMP-100", "quantity": 1})
    assert response.status_code == 201
    assert UUID(response.json()["order_id"])
    assert len((await api("GET", path, "ada")).json()["items"]) == 1
