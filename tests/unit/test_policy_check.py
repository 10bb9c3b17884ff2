"""`sensorhouse policy check`: what a policy's rules say, or what is to be mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.cli import main
from tests.policies import own_text, written


def test_policy_check_says_what_the_rules_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [{"limit": 10}, {"tier": "plus", "sku": "TMP-100", "limit": "unlimited"}]
    rules = [
        {"id": "Q-1", "kind": "quantity_per_order", "outcome": "rejected", "limits": entries},
        {"id": "L-1", "kind": "lead_time", "outcome": "pending_approval", "limits": [{"limit": 1}]},
        {
            "id": "S-2",
            "kind": "forbidden_product",
            "outcome": "rejected",
            "forbidden": [{"customer": "acme", "sensor_type": "speed"}],
        },
    ]
    sites = [{"region": "eu", "sites": ["dresden", "austin"]}]
    path = written(tmp_path / "policy.yaml", rules, preferred_sites=sites)
    assert main(["policy", "check", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"policy test-1 in {path}: 4 rules",
        "The first rule that applies decides; an order to which none applies is accepted.",
        "Of a rule's limits the most specific counts: a customer's before a tier's, then a sku's before a type's.",
        "S-1: rejected when the product is not in the catalogue.",
        "Q-1: rejected when one order is of more sensors than:",
        "  - 10, for every customer and every product.",
        "  - no limit, for tier plus and TMP-100.",
        "L-1: pending approval when the order is wanted for a day sooner than:",
        "  - 1 day from today, for every customer and every product.",
        "S-2: rejected when the customer may not buy the product:",
        "  - speed sensors for customer acme.",
        "Who has the role approver may approve, but never an order of their own; after 7 days it has expired.",
        "An order is made at the customer's preferred site first, then:",
        "  - dresden, then austin, for all sensors in region eu.",
    ]


def test_policy_check_tells_what_to_mend_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(own_text().replace("kind: lead_time", "kind: lead"))
    assert main(["policy", "check", str(path)]) == 2
    assert "rule L-1: there is no kind lead" in capsys.readouterr().err


def test_policy_check_without_a_file_looks_at_the_one_that_decides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["policy", "check"]) == 0
    assert "policy 2026-11-2 in " in capsys.readouterr().out
    monkeypatch.setenv("SENSORHOUSE_POLICY_FILE", str(written(tmp_path / "mine.yaml", [])))
    assert main(["policy", "check"]) == 0
    assert "policy test-1 in " in capsys.readouterr().out


def test_policy_check_finds_a_file_from_the_folder_it_is_called_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "mine.yaml", [])
    monkeypatch.chdir(tmp_path)
    assert main(["policy", "check", "mine.yaml"]) == 0
    assert "policy test-1 in " in capsys.readouterr().out
