"""A LangChain tool becomes a tool of a service, and reaches the service through an injected client."""

from typing import Annotated

import pytest
from langchain_core.tools import InjectedToolArg, InjectedToolCallId, StructuredTool, ToolException, tool
from pydantic import BaseModel, Field
from starlette.responses import Response

from identity.credentials.requirement import ApiKeyRequirement
from tests.recorder import Recorder, bearer
from tools.http_service.client import ServiceClient
from tools.http_service.service import HTTPService
from tools.service import ToolResult


@tool
async def payslip(
    month: Annotated[str, Field(description="As YYYY-MM.")], http: Annotated[ServiceClient, InjectedToolArg]
) -> str:
    """Gets the payslip of a month."""
    return (await http.get("payslips", month)).text


class Sum(BaseModel):
    numbers: list[int]


add = StructuredTool.from_function(
    func=lambda numbers: sum(numbers), name="add", description="Adds.", args_schema=Sum
)


@pytest.fixture
async def payroll(serve):
    recorder = Recorder(lambda _: Response("5000"))
    service = HTTPService("payroll", await serve(recorder), tools=[payslip, add])
    yield service, recorder
    await service.aclose()


async def test_model_sees_the_arguments_and_no_injected_one(payroll, key_ring):
    service, _ = payroll
    first, second = await service.tools(key_ring("K1"))
    assert (first.name, first.description) == ("payslip", "Gets the payslip of a month.")
    assert first.parameters == {
        "type": "object",
        "properties": {"month": {"type": "string", "description": "As YYYY-MM."}},
        "required": ["month"],
        "additionalProperties": False,
    }
    assert second.name == "add"


async def test_tool_calls_its_service_with_the_callers_credential(serve, key_ring):

    recorder = Recorder(lambda _: Response("5000"))
    service = HTTPService("payroll", await serve(recorder), ApiKeyRequirement("key"))
    service.add(payslip)
    assert await service.call("payslip", {"month": "2026-10"}, key_ring("K1")) == ToolResult("5000")
    (request,) = recorder.requests
    assert (request.url.path, bearer(request)) == ("/payslips/2026-10", "K1")
    await service.aclose()


async def test_synchronous_tool_gives_its_result_as_json(payroll, key_ring):
    service, _ = payroll
    assert await service.call("add", {"numbers": [1, 2]}, key_ring("K1")) == ToolResult("3")


@pytest.mark.promise("model-cannot-steer")
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "month"),
        ({"month": {"a": 1}}, "month"),
        ({"month": "2026-10", "http": "https://evil.example"}, "http"),
        ({"month": "2026-10", "url": "https://evil.example"}, "url"),
    ],
)
async def test_bad_and_injected_arguments_are_a_failed_result_without_a_request(
    payroll, key_ring, arguments, named
):
    service, recorder = payroll
    result = await service.call("payslip", arguments, key_ring("K1"))
    assert (result.ok, result.called, recorder.requests) == (False, False, [])
    assert f'"{named}"' in result.text
    assert "evil" not in result.text


async def test_tool_exception_is_a_failed_result(key_ring):
    @tool
    async def fail() -> str:
        """Fails."""
        raise ToolException("no such order")

    service = HTTPService("x", "https://service.example", tools=[fail])
    assert await service.call("fail", {}, key_ring("K1")) == ToolResult("no such order", ok=False)
    await service.aclose()


async def test_tools_that_cannot_be_called_are_refused_when_they_are_added():
    @tool
    async def traced(call: Annotated[str, InjectedToolCallId]) -> str:
        """Wants what the service does not have."""
        return call

    schemaless = StructuredTool(
        name="s", description="Has a JSON Schema.", args_schema={"type": "object", "properties": {}}, func=len
    )
    service = HTTPService("x", "https://service.example", tools=[payslip])
    for refused in (traced, schemaless):
        with pytest.raises(TypeError):
            service.add(refused)
    with pytest.raises(ValueError, match="already"):
        service.add(payslip)
    await service.aclose()
