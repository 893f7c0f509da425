"""What the API document says of every route, and of bodies whose members depend on each other."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.api.app import create_app
from agent.settings.settings import read_settings
from tests.suite import Sandbox


@pytest.fixture
def document(sandbox: Sandbox) -> dict[str, Any]:
    return create_app(read_settings(sandbox.environment)).openapi()


def test_each_change_may_conflict_and_no_parameter_is_null(document: dict[str, Any]) -> None:
    operations = {
        (method, path): operation
        for path, of_path in document["paths"].items()
        for method, operation in of_path.items()
        if operation["security"]
    }
    changes = {key: operation for key, operation in operations.items() if key[0] != "get"}
    assert [key for key, operation in changes.items() if "409" not in operation["responses"]] == []
    parameters = [parameter for each in operations.values() for parameter in each.get("parameters", ())]
    assert len(parameters) > 10
    assert [each["name"] for each in parameters if "null" in str(each["schema"])] == []


def test_refusals_of_mcp_have_the_form_of_json_rpc(document: dict[str, Any]) -> None:
    refusal = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "The body must be …"}}
    for status in ("400", "404"):
        content = document["paths"]["/mcp"]["post"]["responses"][status]["content"]
        schema = content["application/json"]["schema"] | {"components": document["components"]}
        assert Draft202012Validator(schema).is_valid(refusal)


ACCEPTED: dict[str, list[dict[str, Any]]] = {
    "ChatBody": [
        {"n": 1, "stop": [], "logprobs": False, "modalities": ["text"]},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"metadata": {"thread_id": "t-1", "on_disconnect": "continue", "other": "x"}},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        {"stream_options": None, "n": None, "audio": None},
    ],
    "Decision": [
        {"decision": "approve", "lasting": {}},
        {"decision": "edit", "arguments": {"days": 2}},
        {"decision": "reject", "message": "No", "arguments": None},
        {"decision": "cancel"},
    ],
    "ContentPart": [
        {"type": "text", "text": "Hi"},
        {"type": "image", "source": {"type": "data", "value": ""}},
    ],
}
REFUSED: dict[str, list[dict[str, Any]]] = {
    "ChatBody": [
        {"n": 2},
        {"audio": {}},
        {"response_format": {"type": "json_schema"}},
        {"stream_options": {"include_usage": True}},
        {"stream": False, "stream_options": {}},
        {"metadata": {"thread_id": "t 1"}},
        {"metadata": {"on_disconnect": "wait"}},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "assistant", "content": None}]},
    ],
    "Decision": [
        {"decision": "edit"},
        {"decision": "edit", "arguments": None},
        {"decision": "approve", "message": "Yes"},
        {"decision": "reject", "lasting": {}},
        {"decision": "cancel", "message": "No"},
    ],
    "ContentPart": [
        {"type": ""},
        {"type": "text"},
        {"type": "image", "source": {"type": "url", "value": ""}},
    ],
}


def test_bodies_whose_members_depend_on_each_other_are_described_as_they_are_read(
    document: dict[str, Any],
) -> None:
    messages = {"messages": [{"role": "user", "content": "Hi"}]}
    for name in ACCEPTED:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        validator = Draft202012Validator(schema)
        always = messages if name == "ChatBody" else {}
        assert [body for body in ACCEPTED[name] if not validator.is_valid(always | body)] == []
        assert [body for body in REFUSED[name] if validator.is_valid(always | body)] == []
