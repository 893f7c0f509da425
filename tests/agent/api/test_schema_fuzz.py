"""Schemathesis against the running agent: its responses conform to its OpenAPI document.

The same examples in every run, and few: this finds what a document and its app disagree about.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator

from agent.api.response_models import Health, Wire, reference
from tests.agent.conftest import AgentServer, running_agent
from tests.loopback import NO_TLS
from tests.suite import Sandbox


def checks() -> list[Any]:
    """Documented statuses, types, headers and shapes. Imported here, because Schemathesis is large."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    return [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]


@pytest.fixture
def server(sandbox: Sandbox) -> Iterator[AgentServer]:
    with running_agent(sandbox, ACCESS_IDENTITY="Human", MAX_REQUESTS_PER_MINUTE="0") as server:
        yield server


def remember_parts_of_schemas() -> None:
    """Has Schemathesis remember what it works out of a part of a schema, as its plugin of pytest does.

    Hypothesis stays as it is for the other tests: the setup would also take the examples out of its reports.
    """
    from hypothesis import core
    from hypothesis.internal.conjecture import engine
    from hypothesis.strategies._internal import collections
    from schemathesis.generation.hypothesis import setup

    report, size = core.RepresentationPrinter, engine.BUFFER_SIZE
    setup()
    core.RepresentationPrinter = report
    core.BUFFER_SIZE = engine.BUFFER_SIZE = collections.BUFFER_SIZE = size


def operations(server: AgentServer) -> Iterator[Any]:
    import schemathesis

    remember_parts_of_schemas()
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=server.headers())
    for found in schema.get_all_operations():
        yield found.ok()


_generated: dict[str, list[Any]] = {}


def cases_of(operation: Any) -> list[Any]:
    """Cases of an operation, the first of which is valid; where possible, there are invalid ones.

    Generating them takes most of the time: it is done once.
    """
    from schemathesis import GenerationMode

    if (cases := _generated.get(operation.label)) is not None:
        return cases
    cases = _generated[operation.label] = []
    # Generating LangServe's input takes longest, and its other routes take that of `invoke`.
    again = operation.path.startswith("/agent/") and operation.path != "/agent/invoke"
    few = settings(
        max_examples=1 if again else 2,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    modes = [GenerationMode.POSITIVE]
    # Of parameters in a path any text is a good one; a batch is a list of what `invoke` takes.
    if operation.body and not operation.path_parameters and operation.path != "/agent/batch":
        modes.append(GenerationMode.NEGATIVE)
    for mode in modes:

        @few
        @given(operation.as_strategy(generation_mode=mode))
        def each(case: Any) -> None:
            cases.append(case)

        each()
    return cases


def test_every_request_of_a_signed_in_user_gets_a_documented_response(server: AgentServer) -> None:
    headers, documented = server.headers(), checks()
    for operation in operations(server):
        for case in cases_of(operation):
            response = case.call(base_url=server.url, headers=headers)
            case.validate_response(response, checks=documented)


def test_without_a_token_only_public_routes_respond(server: AgentServer) -> None:
    documented = checks()
    for operation in operations(server):
        expected = 401 if operation.definition.raw["security"] else 200
        case = cases_of(operation)[0]
        response = case.call(base_url=server.url)
        assert response.status_code == expected
        case.validate_response(response, checks=documented)


def test_each_event_of_a_streamed_chat_is_as_documented(server: AgentServer) -> None:
    def get(path: str, **request: Any) -> httpx.Response:
        return httpx.request(request.pop("method", "GET"), server.url + path, verify=NO_TLS, **request)

    document = get("/openapi.json", headers=server.headers()).json()
    responses = document["paths"]["/openai/v1/chat/completions"]["post"]["responses"]["200"]
    data = responses["content"]["text/event-stream"]["schema"]["properties"]["data"]

    def is_documented(text: str, kind: dict[str, Any]) -> bool:
        if "const" in kind:
            return bool(text == kind["const"])
        schema = kind["contentSchema"] | {"components": document["components"]}
        return text.startswith("{") and Draft202012Validator(schema).is_valid(json.loads(text))

    body = {"messages": [{"role": "user", "content": "What is the weather?"}], "stream": True}
    chat = get("/openai/v1/chat/completions", method="POST", json=body, headers=server.headers())
    events = [line.removeprefix("data: ") for line in chat.text.splitlines() if line.startswith("data: ")]
    assert len(events) > 2
    assert [text for text in events if not any(is_documented(text, kind) for kind in data["anyOf"])] == []


def test_each_reference_of_the_document_names_a_schema_that_it_has(server: AgentServer) -> None:
    document = httpx.get(f"{server.url}/openapi.json", headers=server.headers(), verify=NO_TLS).json()
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert {"ChatBody", "Completion", "ErrorResponse", "RunAgentInput", "UserRights"} <= named
    assert named <= document["components"]["schemas"].keys()


def test_two_models_of_one_name_are_refused() -> None:
    reference(Health)
    with pytest.raises(ValueError, match="there is another model 'Health'"):
        reference(type("Health", (Wire,), {}))
