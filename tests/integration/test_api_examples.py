"""The documentation's examples work, on the demo's users, as they stand."""

from __future__ import annotations

import json
from typing import Any

from api.reading_pages import READING_TYPES
from tests.api import PROBLEM, Api

METHODS = {"get", "post", "put", "patch", "delete"}


async def operations(api: Api) -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    document = (await api("GET", "/openapi.json")).json()
    return [
        (method, path, operation, document)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def user_of(operation: dict[str, Any]) -> str:
    """Whose role the example needs; the demo has no admin, so the few operations for admins name nobody."""
    return str(operation.get("x-demo-user", "root"))


def examples(content: dict[str, Any], document: dict[str, Any]) -> list[Any]:
    """The examples of a media type, its own or those of the model it names."""
    if "example" in content:
        return [content["example"]]
    schema = content["schema"]
    model = schema.get("anyOf", [schema])[0].get("$ref", "").rpartition("/")[2]
    return list(document["components"]["schemas"].get(model, {}).get("examples", []))


def header_examples(operation: dict[str, Any]) -> dict[str, str]:
    """An example of each header that the operation knows, and none of those that need not be sent."""
    headers = [each for each in operation.get("parameters", []) if each["in"] == "header"]
    return {each["name"]: each["schema"]["examples"][0] for each in headers if "examples" in each["schema"]}


async def waiting_for_approval(api: Api) -> dict[str, Any]:
    order: dict[str, Any] = (await api("POST", "/orders/", "ada", json={"sku": "TMP-100", "quantity": 600})).json()
    return order


async def in_production(api: Api) -> dict[str, Any]:
    order: dict[str, Any] = (await api("POST", "/orders/", "ada", json={"sku": "TMP-100", "quantity": 40})).json()
    for status in ("routed", "in_production"):
        moved = await api("PUT", f"/orders/{order['order_id']}/status", "olivia", json={"status": status})
        assert moved.status_code == 200, moved.text
    return order


async def test_every_example_of_a_body_is_taken_from_the_user_it_is_meant_for(api: Api) -> None:
    tried = []
    for method, path, operation, document in await operations(api):
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            for example in examples(content, document):
                order = await (in_production(api) if path.endswith("/units") else waiting_for_approval(api))
                body = example if isinstance(example, str) else json.dumps(example)
                response = await api(
                    method,
                    path.replace("{order_id}", order["order_id"]),
                    user_of(operation),
                    content=body,
                    headers={"content-type": kind} | header_examples(operation),
                )
                assert response.status_code < 300, (method, path, response.text)
                assert str(response.status_code) in operation["responses"]
                tried.append((method, path, kind))
    assert {(method, path) for method, path, _ in tried} == {
        ("post", "/auth/register"),
        ("post", "/auth/users"),
        ("post", "/orders/"),
        ("put", "/orders/{order_id}/status"),
        ("post", "/orders/{order_id}/approve"),
        ("post", "/orders/{order_id}/reject"),
        ("post", "/orders/{order_id}/units"),
        ("post", "/sensors/data"),
    }


async def test_every_question_without_parameters_is_answered_for_the_user_it_is_meant_for(api: Api) -> None:
    for method, path, operation, _ in await operations(api):
        if method == "get" and "{" not in path:
            response = await api(method, path, user_of(operation))
            assert response.status_code == 200, (path, response.text)


async def test_every_form_of_an_answer_that_the_documentation_shows_can_be_had(api: Api) -> None:
    shown = {}
    for method, path, operation, _ in await operations(api):
        content = operation["responses"].get("200", {}).get("content", {})
        if method == "get" and len(content) > 1:
            assert all("example" in form for form in content.values())
            shown[path] = list(content)
            for kind in content:
                response = await api(method, path, user_of(operation), headers={"accept": kind})
                assert response.headers["content-type"].split(";")[0] == kind
    assert shown["/sensors/data"] == list(READING_TYPES)


async def test_every_operation_is_described_and_names_its_problems(api: Api) -> None:
    for method, path, operation, document in await operations(api):
        assert operation.get("description"), (method, path)
        for code in ("4XX", "422", "503"):
            reference = operation["responses"][code]["content"][PROBLEM]["schema"]["$ref"]
            assert reference.rpartition("/")[2] in document["components"]["schemas"]


async def test_the_demos_users_sign_in_as_the_documentation_says(api: Api) -> None:
    for username in ("ada", "gateway", "olivia", "paul", "vera"):
        form = {"username": username, "password": "sensorhouse-demo"}
        assert (await api("POST", "/auth/token", data=form)).status_code == 200


async def test_the_documentation_needs_nothing_from_elsewhere(api: Api) -> None:
    page = await api("GET", "/docs")
    assert page.status_code == 200
    assert "https://" not in page.text
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert f"/docs/assets/{asset}" in page.text
        assert (await api("GET", f"/docs/assets/{asset}")).status_code == 200
