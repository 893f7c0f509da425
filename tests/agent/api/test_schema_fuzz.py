"""Schemathesis against the running agent: its responses conform to its OpenAPI document.

The same examples in every run, and few: this finds what a document and its app disagree about.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.agent.conftest import AgentServer, running_agent
from tests.conftest import Sandbox

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
"""Documented statuses, types, headers and shapes."""


@pytest.fixture
def server(sandbox: Sandbox) -> Iterator[AgentServer]:
    with running_agent(sandbox, ACCESS_IDENTITY="Human", MAX_REQUESTS_PER_MINUTE="0") as server:
        yield server


def operations(server: AgentServer) -> Iterator[Any]:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=server.headers())
    for found in schema.get_all_operations():
        yield found.ok()


def ask(operation: Any, examples: int, check: Callable[[Any], None]) -> None:
    """Runs `check` on generated cases of an operation, valid ones and, where possible, invalid ones."""
    few = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    modes = [GenerationMode.POSITIVE]
    if operation.body and not operation.path_parameters:  # of which any text is a good one
        modes.append(GenerationMode.NEGATIVE)
    for mode in modes:

        @few
        @given(operation.as_strategy(generation_mode=mode))
        def each(case: Any) -> None:
            check(case)

        each()


def test_every_request_of_a_signed_in_user_gets_a_documented_response(server: AgentServer) -> None:
    headers = server.headers()
    for operation in operations(server):
        ask(operation, 3, lambda case: case.call_and_validate(headers=headers, checks=CHECKS))


def test_without_a_token_only_public_routes_respond(server: AgentServer) -> None:
    for operation in operations(server):
        expected = 401 if operation.definition.raw["security"] else 200

        def check(case: Any, expected: int = expected) -> None:
            response = case.call()
            assert response.status_code == expected
            case.validate_response(response, checks=CHECKS)

        ask(operation, 1, check)
