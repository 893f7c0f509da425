"""A tool that an MCP server listed: its schema, the check of its arguments, its results as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from langchain_core.tools import BaseTool
from mcp.types import CallToolResult, EmbeddedResource, TextContent, TextResourceContents
from pydantic_core import to_json
from referencing import Registry
from referencing.exceptions import Unresolvable

from tools.service import ToolSchema

_MAX_FAULTS = 5


@dataclass(frozen=True, slots=True)
class MCPTool:
    """A listed tool. `validator` is `None` if the server's schema is itself faulty."""

    schema: ToolSchema
    validator: Validator | None

    def faults(self, arguments: Mapping[str, Any]) -> list[str]:
        """What is wrong with `arguments` by the listed schema, a few sentences for the model."""
        if self.validator is None:
            return []
        try:
            errors = list(self.validator.iter_errors(dict(arguments)))[:_MAX_FAULTS]
        except Unresolvable:
            return []  # the schema refers to something outside of itself, which is not fetched
        return [
            f'"{"/".join(map(str, error.absolute_path)) or "arguments"}": {error.message}' for error in errors
        ]


def listed_tool(tool: BaseTool) -> MCPTool:
    """A tool as `langchain-mcp-adapters` lists it."""
    given = tool.args_schema
    parameters: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    parameters.setdefault("type", "object")
    parameters.setdefault("properties", {})
    checker = validator_for(parameters)
    try:
        checker.check_schema(parameters)
    except SchemaError:
        validator = None
    else:
        # An empty registry: a server's `$ref` must not make us fetch anything.
        validator = checker(parameters, registry=Registry())
    return MCPTool(ToolSchema(tool.name, tool.description, parameters), validator)


def result_text(result: CallToolResult) -> str:
    """The texts of a result, one after the other; of anything else only what it is."""
    parts: list[str] = []
    for item in result.content:
        if isinstance(item, TextContent):
            parts.append(item.text)
        elif isinstance(item, EmbeddedResource) and isinstance(item.resource, TextResourceContents):
            parts.append(item.resource.text)
        else:
            parts.append(f"[{item.type}, not shown]")
    if not parts and result.structuredContent is not None:
        parts.append(to_json(result.structuredContent).decode())
    return "\n".join(parts)
