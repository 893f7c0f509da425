from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from tools.http_service.tool_function import ToolFunction
from tools.service import ToolResult


async def run(function, arguments):
    return await ToolFunction(function).run("client", arguments)


def test_schema_has_the_parameters_after_the_client_and_nothing_else():
    async def book(
        http,
        city: str,
        nights: Annotated[int, Field(description="How long.", ge=1)] = 1,
        kind: Literal["a", "b"] = "a",
    ):
        """Books a hotel.

        Prices are in CNY.
        """

    schema = ToolFunction(book).schema
    assert schema.name == "book"
    assert schema.description == "Books a hotel.\n\nPrices are in CNY."
    assert schema.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "nights": {"type": "integer", "description": "How long.", "minimum": 1, "default": 1},
            "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_schema_of_a_tool_without_parameters_is_an_empty_object():
    async def ping(http):
        """Pings."""

    assert ToolFunction(ping).schema.parameters == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }


async def test_parameters_may_be_named_as_methods_of_pydantic_are():
    async def put(http, json: str, copy: bool, title: str = "t"):
        """Puts."""
        return f"{json} {copy} {title}"

    assert list(ToolFunction(put).schema.parameters["properties"]) == ["json", "copy", "title"]
    assert (await run(put, {"json": "x", "copy": True})).text == "x True t"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "city"),
        ({"city": "Hangzhou", "url": "https://evil.example"}, "url"),
        ({"city": "Hangzhou", "nights": "many"}, "nights"),
        ({"city": {"a": 1}}, "city"),
    ],
)
async def test_bad_arguments_are_a_failed_result_that_names_them(arguments, named):
    async def book(http, city: str, nights: int = 1):
        """Books."""
        raise AssertionError("must not run")

    result = await run(book, arguments)
    assert (result.ok, result.called) == (False, False)
    assert f'"{named}"' in result.text


class Route(BaseModel):
    origin: str
    stops: list[str] = []


async def test_nested_arguments_arrive_as_their_models():
    async def plan(http, route: Route):
        """Plans."""
        return {"from": route.origin, "stops": len(route.stops)}

    result = await run(plan, {"route": {"origin": "Hangzhou", "stops": ["Suzhou"]}})
    assert result == ToolResult('{"from":"Hangzhou","stops":1}')


async def test_a_result_goes_through_as_it_is():
    async def fail(http):
        """Fails."""
        return ToolResult("no such order", ok=False)

    assert await run(fail, {}) == ToolResult("no such order", ok=False)


def test_functions_that_cannot_be_tools_are_refused_at_once():
    def blocking(http):
        """Blocks."""

    async def mute(http):
        pass

    async def bare():
        """Takes nothing."""

    async def loose(http, **anything):
        """Takes anything."""

    for function, error in ((blocking, TypeError), (mute, ValueError), (bare, TypeError), (loose, TypeError)):
        with pytest.raises(error):
            ToolFunction(function)
