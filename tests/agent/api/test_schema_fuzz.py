"""Schemathesis against the running agent: its responses conform to its OpenAPI document.

The same examples in every run, and few: this finds what a document and its app disagree about.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from agent.api.response_models import Health, Wire, reference
from tests.agent.conftest import AgentServer, running_agent
from tests.conftest import Sandbox
from tests.loopback import NO_TLS


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


def operations(server: AgentServer) -> Iterator[Any]:
    import schemathesis

    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=server.headers())
    for found in schema.get_all_operations():
        yield found.ok()


def ask(operation: Any, examples: int, check: Callable[[Any], None]) -> None:
    """Runs `check` on generated cases of an operation, valid ones and, where possible, invalid ones."""
    from schemathesis import GenerationMode

    few = settings(
        max_examples=examples,
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
            check(case)

        each()


def test_every_request_of_a_signed_in_user_gets_a_documented_response(server: AgentServer) -> None:
    headers, documented = server.headers(), checks()
    for operation in operations(server):
        # Generating LangServe's input takes most of the time, and its other routes take that of `invoke`.
        again = operation.path.startswith("/agent/") and operation.path != "/agent/invoke"
        examples = 1 if again else 3
        ask(operation, examples, lambda case: case.call_and_validate(headers=headers, checks=documented))


def test_without_a_token_only_public_routes_respond(server: AgentServer) -> None:
    documented = checks()
    for operation in operations(server):
        expected = 401 if operation.definition.raw["security"] else 200

        def check(case: Any, expected: int = expected) -> None:
            response = case.call()
            assert response.status_code == expected
            case.validate_response(response, checks=documented)

        ask(operation, 1, check)


def test_each_reference_of_the_document_names_a_schema_that_it_has(server: AgentServer) -> None:
    document = httpx.get(f"{server.url}/openapi.json", headers=server.headers(), verify=NO_TLS).json()
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert {"ChatBody", "Completion", "ErrorResponse", "RunAgentInput", "UserRights"} <= named
    assert named <= document["components"]["schemas"].keys()


def test_two_models_of_one_name_are_refused() -> None:
    reference(Health)
    with pytest.raises(ValueError, match="there is another model 'Health'"):
        reference(type("Health", (Wire,), {}))
