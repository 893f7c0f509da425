"""A tool that an MCP server listed: its schema, the check of its arguments, its results as text.

What the server says of its tools goes to the model service with every question, so one odd tool could end
every chat. Tools in a form that the model's API refuses are left out, and so is what is beyond all measure.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from langchain_core.tools import BaseTool
from mcp.types import CallToolResult, EmbeddedResource, TextContent, TextResourceContents
from pydantic_core import to_json
from referencing import Registry
from referencing.exceptions import Unresolvable

from identity.redaction import without_echo
from identity.secret import Secret
from tools.service import ToolSchema

logger = logging.getLogger(__name__)

_MAX_FAULTS = 5
_MAX_TOOLS = 128
_MAX_DESCRIPTION = 4_000
_MAX_SCHEMA = 32 * 1024
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""OpenAI's and Model Studio's rule for the name of a function."""


@dataclass(frozen=True, slots=True)
class MCPTool:
    """A listed tool."""

    schema: ToolSchema
    validator: Validator

    def faults(self, arguments: Mapping[str, Any]) -> list[str]:
        """What is wrong with `arguments` by the listed schema, a few sentences for the model."""
        try:
            errors = list(islice(self.validator.iter_errors(dict(arguments)), _MAX_FAULTS))
        except (Unresolvable, RecursionError):
            return []  # it refers to what is outside of it, which is not fetched, or to itself without end
        return [
            f'"{"/".join(map(str, error.absolute_path)) or "arguments"}": {error.message}' for error in errors
        ]


def listed_tools(tools: Iterable[BaseTool], presented: Secret) -> dict[str, MCPTool]:
    """Those of a server's list, as `langchain-mcp-adapters` reads it, that can be offered; by name.

    A server that was `presented` a credential may have put it into what it says.
    """
    usable: dict[str, MCPTool] = {}
    for tool in tools:
        try:
            listed = _listed_tool(tool, presented)
        except (SchemaError, ValueError, RecursionError) as error:
            logger.warning("a tool of an MCP server is left out: %s", type(error).__name__)
        else:
            usable.setdefault(listed.schema.name, listed)
        if len(usable) == _MAX_TOOLS:
            break
    return usable


def _listed_tool(tool: BaseTool, presented: Secret) -> MCPTool:
    name, given = tool.name, tool.args_schema
    parameters: dict[str, Any] = without_echo(dict(given) if isinstance(given, dict) else {}, [presented])
    parameters.setdefault("type", "object")
    parameters.setdefault("properties", {})
    if not _NAME.fullmatch(name) or presented.reveal() in name:
        raise ValueError("not the name of a function")
    if parameters["type"] != "object" or len(json.dumps(parameters)) > _MAX_SCHEMA:
        raise ValueError("not the parameters of a function")
    checker = validator_for(parameters, default=Draft202012Validator)
    checker.check_schema(parameters)
    # An empty registry: a server's `$ref` must not make us fetch anything.
    validator = _without_expressions(checker)(parameters, registry=Registry())
    description = without_echo(tool.description, [presented])[:_MAX_DESCRIPTION]
    return MCPTool(ToolSchema(name, description, parameters, listed=True), validator)


@cache
def _without_expressions(checker: type[Validator]) -> type[Validator]:
    """Regular expressions would be the server's, and one of them may take years to match."""

    def additional(validator: Validator, value: object, instance: object, schema: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
        if "patternProperties" not in schema:
            yield from checker.VALIDATORS["additionalProperties"](validator, value, instance, schema) or ()

    def anything(*_: object) -> Iterator[Any]:
        return iter(())

    expressive = ("pattern", "patternProperties", "unevaluatedProperties")
    keywords = {**dict.fromkeys(expressive, anything), "additionalProperties": additional}
    return extend(checker, keywords)  # type: ignore[no-untyped-call, no-any-return]


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
