"""The documents against the code, so that they stay true."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from sensorhouse.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PACKAGES = ("bench", "infra", "orchestration", "assets", "api", "agent", "sensors_io", "warehouse", "sensorhouse")


def modules() -> dict[str, str]:
    """Each module's path and the first line of its docstring."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name == "__init__.py" or "versions" in path.parts:
                continue
            told = ast.get_docstring(ast.parse(path.read_text())) or ""
            found[path.relative_to(ROOT).as_posix()] = told.split("\n")[0]
    return found


def listed() -> dict[str, str]:
    """The same as ARCHITECTURE.md has it."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    return dict(re.findall(r"^\| `([a-z_/0-9]+\.py)` \| (.+) \|$", text, re.MULTILINE))


def test_the_architecture_lists_every_module_with_its_first_line() -> None:
    missing = [f"| `{path}` | {told} |" for path, told in modules().items() if listed().get(path) != told]
    gone = listed().keys() - modules().keys()
    assert not missing, "to put into ARCHITECTURE.md:\n" + "\n".join(missing)
    assert not gone


def test_a_module_says_its_job_in_one_sentence() -> None:
    for path, told in modules().items():
        assert told.endswith("."), f"{path}: {told!r}"


def example() -> str:
    """What .env.example has to say."""
    lines = [
        "# Every setting, with its default. Copy what you change to .env, which is not committed.",
        "# An empty server (KAFKA_BROKERS, POSTGRES_URL, LAKE_URL) means: the local stack's own.",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        told = "" if default in (None, {}) or isinstance(default, SecretStr) else str(default)
        lines += ["", f"# {field.description}", f"# {PREFIX}{name.upper()}={told}"]
    return "\n".join(lines) + "\n"


def test_the_example_environment_lists_every_setting_with_its_default() -> None:
    assert (ROOT / ".env.example").read_text() == example(), "write example() to .env.example"


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/anomalies.md",
        "docs/live-pages.md",
        "docs/dagster.md",
        "docs/dashboards.md",
        "docs/marts.md",
        "docs/performance.md",
        "docs/policy.md",
        "docs/performance-orders.md",
        "docs/quick-start.md",
        "docs/readings.md",
    ],
)
def test_what_a_document_links_to_is_there(path: str) -> None:
    document = ROOT / path
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "CONTRIBUTING.md",
        "docs/dashboards.md",
        "docs/marts.md",
        "docs/performance.md",
        "docs/performance-orders.md",
        "docs/quick-start.md",
    ],
)
def test_every_make_command_in_a_document_exists(path: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"\bmake ([a-z-]+)\b", (ROOT / path).read_text()))
    assert told <= targets


@pytest.mark.parametrize("path", ["README.md", "docs/quick-start.md"])
def test_an_order_in_a_document_has_the_key_without_which_it_is_refused(path: str) -> None:
    text = (ROOT / path).read_text().replace("\\\n", " ")
    orders = [line for line in text.splitlines() if re.search(r"curl .*/orders/ .*-d ", line)]
    assert orders
    assert all("idempotency-key: " in line for line in orders)


def test_the_tests_that_the_page_on_readings_names_are_there() -> None:
    named = re.findall(r"`(test_[a-z_]+)`", (ROOT / "docs/readings.md").read_text())
    tests = (ROOT / "tests/integration/test_outcomes.py").read_text()
    assert named
    assert [name for name in named if f"def {name}(" not in tests] == []


def test_only_the_settings_read_the_environment() -> None:
    found = subprocess.run(
        ["git", "grep", "-lE", r"os\.environ|os\.getenv", "--", "*.py", ":!tests", ":!infra", ":!bench"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    assert found == ["sensorhouse/settings.py"]


def promises() -> list[str]:
    """What docs/guarantees.md promises, one list item each."""
    return re.findall(r"^- (.+)$", (ROOT / "docs/guarantees.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("promise", promises())
def test_every_promise_is_linked_to_a_test_that_exists(promise: str) -> None:
    links = re.findall(r"\]\(\.\./(tests/\w+/\w+\.py)#(test_\w+)\)", promise)
    assert links
    for path, name in links:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path} has no {name}"
