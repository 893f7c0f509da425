"""The tools of an MCP server, as `langchain-mcp-adapters` makes them, and what of them is used.

`load_mcp_tools` lists the tools. Name, description and schema are used as it makes them, but:

- Credentials that the server has put into them are removed: all of it goes to the model service.
- A tool in a form that the model's API refuses, or beyond the bounds, is left out, because every question
  contains all tools: one such tool would end every chat.
- Arguments are validated before the call. LangChain passes them on unchecked if the schema is a JSON Schema.
- The call is `MCPSession.call`, not `BaseTool.ainvoke`, which would give the result to tracers before
  credentials are removed from it, fails for audio content, and takes as long as the request to the server.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from langchain_core.tools import BaseTool
from mcp.types import CallToolResult, EmbeddedResource, TextContent, TextResourceContents
from pydantic_core import to_json
from referencing.exceptions import Unresolvable

from identity.secrets.redaction import redact
from identity.secrets.secret import Secret
from identity.transport.json_size import TooLargeError
from tools.arguments.schema_budget import MAX_CHARACTERS
from tools.arguments.validator import BoundedValidator
from tools.mcp_service.accepted_tools import ToolDigest
from tools.service import FUNCTION_NAME, ToolSchema

logger = logging.getLogger(__name__)

_MAX_TOOLS = 128
_MAX_DESCRIPTION = 4_000
_SCHEMA_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    Unresolvable,
)


@dataclass(frozen=True, slots=True)
class MCPTool:
    """A listed tool. `digest` is that of all that the server lists of it, also of what is not used."""

    schema: ToolSchema
    validator: BoundedValidator
    digest: ToolDigest


async def usable_tools(tools: Iterable[BaseTool], presented: Secret) -> dict[str, MCPTool]:
    """The tools that can be offered, by name. `presented` is the credential that the server received.

    Other tasks run between two tools: checking a schema takes up to milliseconds.
    """
    usable: dict[str, MCPTool] = {}
    for position, tool in enumerate(tools):
        await asyncio.sleep(0)
        try:
            listed = _checked(tool, presented)
        except _SCHEMA_ERRORS as error:
            reason = str(error) if isinstance(error, TooLargeError) else type(error).__name__
            logger.warning("tool %d of an MCP server is not offered: %s", position + 1, reason)
        else:
            usable.setdefault(listed.schema.name, listed)
        if len(usable) == _MAX_TOOLS:
            break
    return usable


def _checked(tool: BaseTool, presented: Secret) -> MCPTool:
    name, given = tool.name, tool.args_schema
    if not FUNCTION_NAME.fullmatch(name) or presented.reveal() in name:
        raise ValueError("not the name of a function")
    parameters: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    if len(to_json(parameters)) > MAX_CHARACTERS:
        raise TooLargeError(f"its schema has more than {MAX_CHARACTERS} bytes")
    parameters = redact(parameters, [presented])
    description = redact(tool.description, [presented])
    digest = ToolDigest.of(description, parameters)
    parameters.setdefault("type", "object")
    parameters.setdefault("properties", {})
    if parameters["type"] != "object":
        raise ValueError("not the parameters of a function")
    schema = ToolSchema(name, description[:_MAX_DESCRIPTION], parameters, listed=True)
    return MCPTool(schema, BoundedValidator(parameters), digest)


def result_text(result: CallToolResult) -> str:
    """The texts of a result, one on each line; of other content only its type."""
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
