"""Every kind of LangChain tool becomes a tool of a service, and calls it through an injected client."""

from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import (
    BaseTool,
    InjectedToolArg,
    InjectedToolCallId,
    StructuredTool,
    Tool,
    ToolException,
    tool,
)
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp.server.fastmcp import FastMCP
from mcp.shared.memory import create_connected_server_and_client_session
from mcp.types import ImageContent, TextContent
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from identity.credentials.requirement import ApiKeyRequirement
from tests.recorder import Recorder, bearer
from tools.arguments.fault import MAX_NODES
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


class Payslip(BaseTool):
    """A tool by subclassing."""

    name: str = "payslip"
    description: str = "Gets the payslip of a month."

    def _run(self, month: str, http: Annotated[ServiceClient, InjectedToolArg]) -> str:
        raise NotImplementedError

    async def _arun(self, month: str, http: Annotated[ServiceClient, InjectedToolArg]) -> str:
        return (await http.get("payslips", month)).text


class Text(BaseModel):
    text: str


class Month(BaseModel):
    month: str
    http: Annotated[ServiceClient, InjectedToolArg]

    model_config = ConfigDict(arbitrary_types_allowed=True)


class PayslipWithModel(Payslip):
    args_schema: type[BaseModel] = Month


async def by_schema(month: str, http: Annotated[ServiceClient, InjectedToolArg]) -> str:
    return (await http.get("payslips", month)).text


JSON_SCHEMA = {
    "title": "payslip",
    "type": "object",
    "properties": {"month": {"type": "string"}, "http": {}},
    "required": ["month", "http"],
}
with_json_schema = StructuredTool(
    name="payslip", description="Gets the payslip of a month.", args_schema=JSON_SCHEMA, coroutine=by_schema
)


async def plain(http, month: str):
    """Gets the payslip of a month."""
    return (await http.get("payslips", month)).text


plain.__name__ = "payslip"
FORMS = {
    "decorated function": payslip,
    "subclass": Payslip(),
    "subclass with a model": PayslipWithModel(),
    "json schema": with_json_schema,
    "plain function": plain,
}


@pytest.fixture(params=FORMS)
async def form(request, serve):
    """The same tool in each form that LangChain has, and the requests of its service."""
    recorder = Recorder(lambda _: Response("5000"))
    requirement = ApiKeyRequirement("key")
    service = HTTPService("payroll", await serve(recorder), requirement, tools=[FORMS[request.param]])
    yield service, recorder
    await service.aclose()


@pytest.mark.promise("model-cannot-steer")
async def test_every_form_calls_its_service_with_a_client_that_the_model_does_not_see(form, key_ring):
    service, recorder = form
    (schema,) = await service.tools(key_ring("K1"))
    assert (schema.name, schema.description) == ("payslip", "Gets the payslip of a month.")
    assert list(schema.parameters["properties"]) == schema.parameters["required"] == ["month"]
    assert schema.parameters["additionalProperties"] is False
    assert await service.call("payslip", {"month": "2026-10"}, key_ring("K1")) == ToolResult("5000")
    (request,) = recorder.requests
    assert (request.url.path, bearer(request)) == ("/payslips/2026-10", "K1")


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
    form, key_ring, arguments, named
):
    service, recorder = form
    result = await service.call("payslip", arguments, key_ring("K1"))
    assert (result.ok, result.called, recorder.requests) == (False, False, [])
    assert named in result.text
    assert "evil" not in result.text


@pytest.fixture
def payroll(service_at):
    return service_at("https://service.example", tools=[payslip, add])


async def test_synchronous_tool_gives_its_result_as_json(payroll, key_ring):
    assert await payroll.call("add", {"numbers": [1, 2]}, key_ring("K1")) == ToolResult("3")


@asynccontextmanager
async def mcp_tools():
    """The tools of an MCP server in memory, as `langchain-mcp-adapters` makes them."""
    mcp = FastMCP("rates")

    @mcp.tool(structured_output=False)
    def rate(currency: str) -> str:
        """Gets the exchange rate of a currency."""
        if currency == "XXX":
            raise ValueError("no such currency")
        return f"7.1 for {currency}"

    @mcp.tool(structured_output=False)
    def picture() -> list:
        """Draws a chart."""
        return [
            TextContent(type="text", text="a"),
            ImageContent(type="image", data="aGk=", mimeType="image/png"),
        ]

    async with create_connected_server_and_client_session(mcp._mcp_server) as session:
        yield await load_mcp_tools(session)


async def test_tools_of_langchain_mcp_adapters_are_checked_and_called(key_ring):
    async with mcp_tools() as tools:
        service, access = HTTPService("rates", "https://rates.example", tools=tools), key_ring("K1")
        rate, _ = await service.tools(access)
        assert (rate.name, rate.description) == ("rate", "Gets the exchange rate of a currency.")
        assert list(rate.parameters["properties"]) == ["currency"]
        assert await service.call("rate", {"currency": "EUR"}, access) == ToolResult("7.1 for EUR")
        assert (await service.call("picture", {}, access)).text == "a\n[image, not shown]"
        failed = await service.call("rate", {"currency": "XXX"}, access)
        assert (failed.ok, failed.called, "no such currency" in failed.text) == (False, True, True)
        for arguments in ({}, {"currency": 5}, {"currency": "EUR", "runtime": "x"}):
            refused = await service.call("rate", arguments, access)
            assert (refused.ok, refused.called) == (False, False)
        await service.aclose()


class Unresolved(BaseTool):
    """A tool with an annotation that only type checkers can resolve."""

    name: str = "echo"
    description: str = "Repeats a text."
    args_schema: type[BaseModel] = Text

    def _run(self, text: str, run_manager: "ImportedForTypeCheckers | None" = None) -> str:  # noqa: ARG002, F821 - the signature is under test
        return text


async def test_tool_with_an_annotation_that_cannot_be_resolved_is_called(service_at, key_ring):
    service = service_at("https://service.example", tools=[Unresolved()])
    assert await service.call("echo", {"text": "a"}, key_ring("K1")) == ToolResult("a")


async def test_tool_with_a_single_text_input_is_called(key_ring):
    size = Tool(name="size", description="Counts characters.", func=lambda text: f"{len(text)}")
    service = HTTPService("x", "https://service.example", tools=[size])
    (schema,) = await service.tools(key_ring("K1"))
    (argument,) = schema.parameters["properties"]
    assert await service.call("size", {argument: "four"}, key_ring("K1")) == ToolResult("4")
    assert not (await service.call("size", {argument: 4}, key_ring("K1"))).called
    await service.aclose()


async def test_arguments_beyond_the_bounds_are_refused(payroll, key_ring):
    result = await payroll.call("add", {"numbers": [1] * MAX_NODES}, key_ring("K1"))
    assert (result.ok, result.called) == (False, False)


async def test_tool_that_cannot_be_called_is_refused_when_it_is_added(service_at):
    @tool
    async def traced(call: Annotated[str, InjectedToolCallId]) -> str:
        """Requires an argument that the service does not have."""
        return call

    def with_schema(schema):
        return StructuredTool(name="s", description="Has a JSON Schema.", args_schema=schema, func=len)

    doubled = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    service = service_at("https://service.example", tools=[payslip])
    for refused, error in (
        (traced, TypeError),
        (with_schema({"type": "object", "properties": []}), ValueError),
        (with_schema({"$defs": {**doubled, "d40": {}}, "$ref": "#/$defs/d0"}), ValueError),
        (with_schema({"type": "array"}), ValueError),
        (Tool(name="two words", description="Has a name that no model API accepts.", func=len), ValueError),
        (payslip, ValueError),
    ):
        with pytest.raises(error):
            service.add(refused)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        ("", ""),
        ([{"type": "text", "text": ""}], ""),
        (["a", "b"], '["a","b"]'),
        ([], "[]"),
        ({"a": "晴"}, '{"a": "晴"}'),
        (None, "null"),
    ],
)
async def test_result_is_text_as_it_is_or_json(service_at, key_ring, content, text):
    @tool
    async def value() -> Any:
        """Returns a value."""
        return content

    service = service_at("https://service.example", tools=[value])
    assert await service.call("value", {}, key_ring("K1")) == ToolResult(text)


async def test_result_that_only_a_graph_can_use_is_a_type_error(service_at, key_ring):
    @tool
    async def messages() -> Any:
        """Returns messages."""
        return [ToolMessage("a", tool_call_id="1")]

    service = service_at("https://service.example", tools=[messages])
    with pytest.raises(TypeError, match="messages"):
        await service.call("messages", {}, key_ring("K1"))


@pytest.mark.parametrize(("handler", "text"), [(False, "no such order"), ("try later", "try later")])
async def test_tool_exception_is_a_failed_result(service_at, key_ring, handler, text):
    @tool
    async def fail() -> str:
        """Fails."""
        raise ToolException("no such order")

    fail.handle_tool_error = handler
    service = service_at("https://service.example", tools=[fail])
    assert await service.call("fail", {}, key_ring("K1")) == ToolResult(text, ok=False)
