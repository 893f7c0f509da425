"""No kind of tool takes arguments of another type than its schema has: of the model, or of a person."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.tools import StructuredTool

from tests.tools.strict_arguments import BREAKS, SCHEMA, VALID, book
from tools.arguments.fault import ArgumentFault
from tools.arguments.validator import BoundedValidator
from tools.http_service.client import ServiceClient
from tools.http_service.service_tool import ServiceTool, function_tool

pytestmark = pytest.mark.promise("approval-binds")

CLIENT = object.__new__(ServiceClient)
Faults = Callable[[dict[str, Any]], list[ArgumentFault]]


def of_function() -> Faults:
    """A tool of an HTTP service, by its type hints."""
    tool = ServiceTool(function_tool(book))
    return lambda arguments: tool.faults(CLIENT, arguments)


def of_package() -> Faults:
    """A LangChain tool whose arguments are a JSON Schema."""
    tool = ServiceTool(
        StructuredTool(name="book", description="Books.", args_schema=SCHEMA, func=lambda **_: "booked")
    )
    return lambda arguments: tool.faults(CLIENT, arguments)


def of_mcp() -> Faults:
    """What an MCP server lists."""
    return BoundedValidator(SCHEMA).faults


@pytest.mark.parametrize("kind", [of_function, of_package, of_mcp])
@pytest.mark.parametrize(("broken", "argument"), BREAKS.values(), ids=BREAKS)
def test_arguments_that_break_the_schema_are_a_fault_that_names_the_argument(
    kind: Callable[[], Faults], broken: dict[str, Any], argument: str
) -> None:
    faults = kind()
    assert faults(VALID) == []
    assert {fault.argument for fault in faults(VALID | broken)} == {argument}


@pytest.mark.parametrize("kind", [of_function, of_package, of_mcp])
def test_missing_argument_is_a_fault_that_names_it(kind: Callable[[], Faults]) -> None:
    assert [fault.argument for fault in kind()({"days": 3})] == ["order"]


@pytest.mark.parametrize("days", ["3", True, 3.0], ids=repr)
def test_argument_of_a_function_is_converted_to_no_other_type(days: object) -> None:
    async def apply(_http: ServiceClient, days: int) -> str:
        """Applies for leave."""
        return str(days)

    tool = ServiceTool(function_tool(apply))
    assert tool.faults(CLIENT, {"days": 3}) == []
    assert [fault.argument for fault in tool.faults(CLIENT, {"days": days})] == ["days"]


def test_nested_argument_that_a_model_would_drop_is_a_fault() -> None:
    dropped = VALID | {"order": {"amount": 5, "currency": "EUR"}}
    assert [fault.argument for fault in of_function()(dropped)] == ["order.currency"]
