"""An installation's own policy decides, and past orders are decided again by another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from infra.cli import main
from sensorhouse.settings import Settings
from tests.api import Api, serving
from tests.policies import own_text, written
from warehouse.database import connect


async def replayed(settings: Settings, *words: str) -> int:
    """The command, on these settings, beside the API's event loop."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.as_environment().items():
            patch.setenv(name, value)
        return await asyncio.to_thread(main, ["policy", "replay", *words])


async def placed(api: Api, quantity: int, *, sku: str = "TMP-100", user: str = "ada") -> str:
    response = await api("POST", "/orders/", user, json={"sku": sku, "quantity": quantity})
    assert response.status_code == 201, response.text
    return str(response.json()["order_id"])


async def moved(api: Api, order_id: str, status: str, user: str) -> None:
    answer = await api("PUT", f"/orders/{order_id}/status", user, json={"status": status})
    assert answer.status_code == 200, answer.text


async def test_an_installations_own_policy_decides(demo: Settings, tmp_path: Path) -> None:
    rules = [{"id": "Q-7", "kind": "quantity_per_order", "outcome": "rejected", "limits": [{"limit": 7}]}]
    own = demo.model_copy(update={"policy_file": written(tmp_path / "own.yaml", rules)})
    async with serving(own) as api:
        order = (await api("POST", "/orders/", "ada", json={"sku": "TMP-100", "quantity": 8})).json()
    told = "rejected: 8 of 7 temperature sensors at once, rule Q-7"
    assert (order["status"], order["reason"], order["policy_version"]) == ("rejected", told, "test-1")


async def test_what_another_policy_would_decide_otherwise_is_told(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = await placed(api, 10), await placed(api, 600)
    await placed(api, 1, sku="NOPE")
    forbidden = await placed(api, 5, sku="VIB-100", user="gus")
    # Approved since: what counts is how it was decided first.
    await moved(api, large, "accepted", "paul")
    limits = [{"limit": 500}, {"tier": "standard", "limit": 3}, {"sku": "TMP-999", "limit": 1}]
    path = written(
        tmp_path / "new.yaml",
        [{"id": "Q-1", "kind": "quantity_per_order", "outcome": "rejected", "limits": limits}],
        version="2027-1",
    )
    assert await replayed(api.settings, str(path)) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    was = "pending approval: 600 temperature sensors, above 500, rule A-1"
    would_be = "rejected: 600 of 500 temperature sensors at once, rule Q-1"
    still = "rejected: globex may not buy VIB-100, rule S-2 rejected: 5 of 3 vibration sensors at once, rule Q-1"
    counts = "1 rejected instead of pending_approval, 1 rejected by another rule"
    assert lines == [
        "rule Q-1 names sku TMP-999, which the warehouse does not know",
        "order customer sku quantity was would be",
        f"{large} acme TMP-100 600 {was} {would_be}",
        f"{forbidden} globex VIB-100 5 {still}",
        f"2 of 4 orders would be decided otherwise by policy 2027-1: {counts}",
    ]
    assert small not in " ".join(lines)


async def test_usage_is_that_of_the_30_days_before_each_order(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, cancelled, first, second = [await placed(api, 50) for _ in range(4)]
    await moved(api, cancelled, "cancelled", "ada")
    with connect(api.settings.database_url) as connection:
        # Past the guard: time is what no test can wait for.
        connection.execute("set session_replication_role = replica")
        connection.execute("update orders set created_at = created_at - interval '30 days' where order_id = %s", [old])
    path = tmp_path / "new.yaml"
    path.write_text(own_text().replace("customer.max_quantity_30_days", "60"))
    assert await replayed(api.settings, str(path)) == 0
    told = capsys.readouterr().out
    assert "accepted" in told
    assert "pending approval: 100 of 60 temperature sensors in 30 days, rule Q-30" in told
    assert [order_id in told for order_id in (old, cancelled, first, second)] == [False, False, False, True]
    counts = "1 pending_approval instead of accepted"
    assert told.splitlines()[-1] == f"1 of 4 orders would be decided otherwise by policy 2026-11-2: {counts}"


async def test_the_policy_that_decided_would_decide_the_same(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    for quantity in (10, 600, 1100):
        await placed(api, quantity)
    assert await replayed(api.settings) == 0
    assert capsys.readouterr().out == "0 of 3 orders would be decided otherwise by policy 2026-11-2\n"


async def test_a_policy_that_can_not_be_used_replays_nothing(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.yaml").write_text(own_text().replace("kind: lead_time", "kind: lead"))
    assert await replayed(api.settings, str(tmp_path / "bad.yaml")) == 2
    assert "rule L-1: there is no kind lead" in capsys.readouterr().err
