"""A plain async function becomes a LangChain tool whose client is an injected argument."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Literal

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import InjectedToolArg, ToolException
from langchain_core.tracers.context import collect_runs
from pydantic import BaseModel, Field

from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from tools.http_service.client import ServiceClient
from tools.http_service.service import HTTPService
from tools.http_service.service_tool import function_tool
from tools.service import ToolResult


@pytest.fixture
async def run(key_ring):
    """Runs a function as a tool of a service to which it sends nothing."""
    service = HTTPService("x", "https://service.example")

    async def run(function, arguments):
        service.tool(function)
        return await service.call(function.__name__, arguments, key_ring("K1"))

    yield run
    await service.aclose()


async def schema_of(function, key_ring):
    service = HTTPService("x", "https://service.example", tools=[function])
    (schema,) = await service.tools(key_ring("K1"))
    await service.aclose()
    return schema


async def test_schema_has_the_parameters_after_the_client_only(key_ring):
    async def book(
        http,
        city: Annotated[str, Field(title="城市")],
        nights: Annotated[int, Field(description="How long.", ge=1)] = 1,
        kind: Literal["a", "b"] = "a",
    ):
        """Books a hotel.

        Prices are in CNY.
        """

    schema = await schema_of(book, key_ring)
    assert schema.name == "book"
    assert schema.description == "Books a hotel.\n\nPrices are in CNY."
    assert schema.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "title": "城市"},
            "nights": {"type": "integer", "description": "How long.", "minimum": 1, "default": 1},
            "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


async def test_schema_of_a_tool_without_parameters_is_an_empty_object(key_ring, run):
    async def ping(http: ServiceClient):
        """Pings."""
        return type(http).__name__

    assert (await schema_of(ping, key_ring)).parameters == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
    assert (await run(ping, {})).text == "ServiceClient"


async def test_annotated_client_may_be_any_parameter(key_ring, run):
    async def order(number: str, http: Annotated[ServiceClient, InjectedToolArg]):
        """Gets an order."""
        return f"{number} {type(http).__name__}"

    assert list((await schema_of(order, key_ring)).parameters["properties"]) == ["number"]
    assert (await run(order, {"number": "7"})).text == "7 ServiceClient"


class Route(BaseModel):
    origin: str
    stops: list[str] = []


@dataclass
class Plan:
    origin: str
    stops: int


@pytest.mark.parametrize("result_type", [dict, Plan])
async def test_nested_arguments_arrive_as_their_models_and_results_become_json(run, result_type):
    async def plan(http, route: Route):
        """Plans."""
        return result_type(origin=route.origin, stops=len(route.stops))

    result = await run(plan, {"route": {"origin": "Hangzhou", "stops": ["Suzhou"]}})
    assert result == ToolResult('{"origin":"Hangzhou","stops":1}')


class Kind(Enum):
    ANNUAL = "annual"


async def test_arguments_arrive_as_the_types_that_the_function_declares(run):
    async def apply(
        http,
        first: date,
        kind: Kind,
        routes: list[Route],
        days: Annotated[int, Field(default_factory=lambda: 3)],
        note: str | None = None,
    ):
        """Applies."""
        return [type(http).__name__, first.year, kind.name, routes[0].stops, days, note]

    arguments = {"first": "2026-10-01", "kind": "annual", "routes": [{"origin": "Hangzhou"}]}
    assert (await run(apply, arguments)).text == '["ServiceClient",2026,"ANNUAL",[],3,null]'


async def test_call_of_a_function_is_no_run_of_langchain(run):
    async def secret(http, number: str):
        """Reads."""
        return f"order {number}"

    with collect_runs() as traced:
        assert (await run(secret, {"number": "7"})).text == "order 7"
    assert traced.traced_runs == []


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (ToolException("no such order"), ToolResult("no such order", ok=False)),
        (ToolMessage("paid", tool_call_id=""), ToolResult("paid")),
        (ToolMessage("refused", tool_call_id="", status="error"), ToolResult("refused", ok=False)),
        (
            ToolMessage([{"type": "text", "text": "a"}, {"type": "image"}], tool_call_id=""),
            ToolResult("a\n[image, not shown]"),
        ),
        (ToolResult("kept", files=(("a.txt", b"a"),)), ToolResult("kept", files=(("a.txt", b"a"),))),
    ],
)
async def test_function_may_fail_and_return_what_a_tool_of_langchain_does(run, outcome, result):
    async def order(http):
        """Orders."""
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert await run(order, {}) == result


async def test_exception_of_the_function_is_raised(run):
    async def fail(http):
        """Fails."""
        raise LookupError("x")

    with pytest.raises(LookupError):
        await run(fail, {})


def test_function_that_cannot_be_a_tool_is_refused_when_it_is_added():
    def blocking(http):
        """Blocks."""

    async def mute(http):
        pass

    async def bare():
        """Takes nothing."""

    async def loose(http, **anything):
        """Takes anything."""

    async def reserved(http, callbacks: str):
        """Has a parameter that LangChain does not pass on."""

    cases = [(blocking, TypeError), (mute, ValueError), (bare, TypeError), (loose, TypeError)]
    for function, error in (*cases, (reserved, ValueError)):
        with pytest.raises(error):
            function_tool(function)


def test_permission_of_a_tool_needs_an_access_token():
    service = HTTPService("x", "https://service.example", ApiKeyRequirement("key"))
    with pytest.raises(ValueError, match="is no access token"):
        service.add(read, permission="x.write")


async def read(http):
    """Reads."""


def test_tool_with_a_permission_is_in_a_service_of_its_own_and_its_name_is_taken():
    service = HTTPService("x", "https://service.example", AccessTokenRequirement("https://x|x.read"))
    service.add(read)
    with pytest.raises(ValueError, match='has a tool "read" already'):
        service.add(read, permission="x.write")
