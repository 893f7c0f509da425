"""The tools of an MCP server, and their results: what of them is used, in either version of the protocol.

- Credentials that the server has put into a tool are removed: all of it goes to the model service.
- A tool in a form that the model's API refuses, or beyond the bounds, is left out, because every question
  contains all tools: one such tool would end every chat.
- Arguments are validated before the call.
- A result is read by its types alone. What is not text is described: its bytes never reach the model.
"""

import asyncio
import base64
import json
import logging
import mimetypes
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from pydantic_core import to_json

from identity.secrets.redaction import redact
from identity.secrets.secret import Secret
from identity.strict_json import read_object
from identity.transport.json_size import TooLargeError
from tools.arguments.fault import INTEGERS
from tools.arguments.schema_budget import MAX_CHARACTERS, MalformedSchemaError, subschemas
from tools.arguments.validator import BoundedValidator
from tools.mcp_service.accepted_tools import ToolDigest
from tools.mcp_service.result_labels import label_by_meta
from tools.result_schema import ResultSchema, result_schema_of
from tools.service import FUNCTION_NAME, ToolResult, ToolSchema

logger = logging.getLogger(__name__)

MAX_PAGES: Final = 16
"""Pages of a list that are read."""
MAX_LISTED: Final = 256
"""Tools that are read. Fewer are offered."""
_MAX_TOOLS = 128
_MAX_DESCRIPTION = 4_000
_MAX_CONTENT: Final = 1_000
"""Content blocks of one result."""
_FURTHER: Final = frozenset(
    ("$ref", "$dynamicRef", "additionalProperties", "allOf", "anyOf", "dependentSchemas", "if", "oneOf")
) | {"patternProperties"}
_MAX_LABEL: Final = 500
"""Characters of each member that describes content."""
_ANNOTATION: Final = "x-mcp-header"
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")  # RFC 9110, section 5.6.2


@dataclass(frozen=True, slots=True)
class MCPTool:
    """A listed tool. `digest` is that of all that the server lists of it, also of what is not used.

    `headers` names the header `Mcp-Param-…` that carries an argument, by the argument's path. `result` is the
    `outputSchema`, without its prose, which is in no digest; `None`: it has none by which a result can be
    checked.
    """

    schema: ToolSchema
    validator: BoundedValidator
    digest: ToolDigest
    headers: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    result: ResultSchema | None = None


async def usable_tools(
    pages: Iterable[Mapping[str, Any]],
    presented: Secret,
    *,
    annotated: bool = False,
    members: Callable[[Any], Any] = lambda tool: tool,
) -> dict[str, MCPTool]:
    """The first tools of a list that can be offered, by name. One that cannot is left out, which is logged,
    and hides no other one. `presented` is the credential that the server received; `members` returns the
    members of a tool that are used.

    With `annotated`, arguments may be sent in headers too (`x-mcp-header`), and a tool whose annotation is
    invalid is left out. Other tasks run between two tools: checking a schema takes up to milliseconds.
    """
    usable: dict[str, MCPTool] = {}
    listed = list(chain.from_iterable(page["tools"] for page in pages))
    for position, tool in enumerate(listed[:MAX_LISTED]):
        await asyncio.sleep(0)
        try:
            checked = _checked(members(tool), presented, annotated=annotated)
        except Exception as error:  # noqa: BLE001 - the library raises many kinds for a schema from outside
            is_our_text = isinstance(error, TooLargeError | MalformedSchemaError | _AnnotationError)
            reason = str(error) if is_our_text else type(error).__name__
            logger.warning("tool %d of an MCP server is not offered: %s", position + 1, reason)
        else:
            usable.setdefault(checked.schema.name, checked)
        if len(usable) == _MAX_TOOLS:
            break
    return usable


def _checked(tool: Any, presented: Secret, *, annotated: bool) -> MCPTool:  # noqa: ANN401 - any JSON value
    name = tool["name"]
    parameters = tool["inputSchema"]
    description = tool.get("description") or ""
    if not isinstance(parameters, dict) or not isinstance(description, str):
        raise ValueError("not a tool")  # noqa: TRY004 - a value from outside
    if not FUNCTION_NAME.fullmatch(name) or presented.reveal() in name:
        raise ValueError("not the name of a function")
    if len(to_json(parameters)) > MAX_CHARACTERS:
        raise TooLargeError(f"its schema has more than {MAX_CHARACTERS} bytes")
    parameters = redact(parameters, [presented])
    description = redact(description, [presented])
    digest = ToolDigest.of(description, parameters)
    # The name of an argument that is not listed could carry data.
    closed = {"additionalProperties": False} if _lists_all(parameters) else {}
    parameters.setdefault("type", "object")
    parameters.setdefault("properties", {})
    if parameters["type"] != "object":
        raise ValueError("not the parameters of a function")
    schema = ToolSchema(name, description[:_MAX_DESCRIPTION], parameters, listed=True)
    validator = _validator_of(json.dumps(parameters | closed))
    _check_defaults(parameters["properties"])
    headers = _headers(parameters) if annotated else {}
    result = _result_schema_of(redact(tool.get("outputSchema"), [presented]))
    return MCPTool(schema, validator, digest, headers, result)


@lru_cache(maxsize=256)
def _validator_of(schema: str) -> BoundedValidator:
    """One for all sessions whose server lists the same arguments: making it is most of reading a list. It has
    no credential, and `MAX_CHARACTERS` at most.
    """
    return BoundedValidator(json.loads(schema))


def _result_schema_of(schema: object) -> ResultSchema | None:
    if not isinstance(schema, dict) or len(text := to_json(schema)) > MAX_CHARACTERS:
        return None
    return _result_schema(text)


@lru_cache(maxsize=256)
def _result_schema(text: bytes) -> ResultSchema | None:
    """One for all sessions, as `_validator_of`."""
    return result_schema_of(json.loads(text), prose=False)


def _check_defaults(properties: Mapping[str, Any]) -> None:
    """Raises `ValueError` for a default that no call can have: calls get it from the agent."""
    defaults = {
        name: schema["default"]
        for name, schema in properties.items()
        if isinstance(schema, dict) and "default" in schema
    }
    read_object(json.dumps(defaults).encode(), integers=INTEGERS)


def _lists_all(parameters: Mapping[str, Any]) -> bool:
    """Whether `properties` lists all arguments, and no other keyword permits further ones."""
    listed = parameters.get("properties")
    if listed is None or not _FURTHER.isdisjoint(parameters):
        return False
    if parameters.get("unevaluatedProperties"):
        return False
    return set(parameters.get("required", ())) <= set(listed)


class _AnnotationError(ValueError):
    """An `x-mcp-header` breaks the protocol's rules. Its text is ours alone."""


def _headers(parameters: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """The `x-mcp-header` of each argument that has one, by its path. Raises `_AnnotationError`.

    Only arguments that are reached through `properties` alone can have one. `parameters` is a valid schema.
    """
    headers: dict[tuple[str, ...], str] = {}
    pending: list[tuple[tuple[str, ...] | None, Any]] = [((), parameters)]
    while pending:
        path, node = pending.pop()
        if isinstance(node, bool):
            continue
        if _ANNOTATION in node:
            if not path:
                raise _AnnotationError(f"its {_ANNOTATION} is not at an argument")
            if node.get("type") not in ("string", "integer", "boolean"):
                raise _AnnotationError(f"its {_ANNOTATION} is not at a string, integer or boolean")
            header = node[_ANNOTATION]
            if not isinstance(header, str) or not _HEADER_NAME.fullmatch(header):
                raise _AnnotationError(f"its {_ANNOTATION} is not the name of a header")
            if header.lower() in map(str.lower, headers.values()):
                raise _AnnotationError(f"its {_ANNOTATION} is there twice")
            headers[path] = header
        for keyword, value in node.items():
            if keyword == "properties" and path is not None:
                pending.extend(((*path, name), schema) for name, schema in value.items())
            else:
                pending.extend((None, schema) for schema in subschemas(keyword, value))
    return headers


def result_of(
    response: Mapping[str, Any], presented: Iterable[Secret], schema: ResultSchema | None = None
) -> ToolResult:
    """The result of a call: its texts, one on each line, a description of what is not text, and its files.
    An error of the protocol is a failed result. Without the credentials that were `presented`: they are
    removed before texts are cut. The labels that it has itself count for the call in progress.

    Structured output is for the model if there is no text, which should have the same content; with `schema`,
    that of the tool's results, also if the text does not have it. Raises `ValueError` for a result of another
    form.
    """
    response = redact(response, presented)
    if (error := response.get("error")) is not None:
        return ToolResult(f"error {error['code']}: {error['message']}", ok=False)
    result = response["result"]
    no_content: list[Any] | None = [] if "structuredContent" in result else None
    content = result.get("content", no_content)
    if not isinstance(content, list):
        raise ValueError("not the content of a result")  # noqa: TRY004 - a value from outside
    label_by_meta(result)
    parts = [_part(item) for item in content[:_MAX_CONTENT]]
    texts = [text for text, _ in parts]
    if "structuredContent" in result and not any("text" in item for item in content[:_MAX_CONTENT]):
        texts.append(to_json(result["structuredContent"]).decode())
    files = [file for _, file in parts if file is not None]
    text = "\n".join(texts)
    ok = result.get("isError") is not True
    if ok and schema is not None and "structuredContent" in result:
        text = schema.text_with(text, result["structuredContent"], followed=bool(files))
    return ToolResult(text, ok=ok, files=files)


def _part(item: Any) -> tuple[str, tuple[str, bytes] | None]:  # noqa: ANN401 - any JSON value
    """The text of a content block for the model; and its bytes, if it has any, under the last part of its
    URI, or its kind.
    """
    if not isinstance(item, dict):
        raise ValueError("not a content block")  # noqa: TRY004 - a value from outside
    kind = _label(item.get("type")) or "content"
    if kind == "resource_link":
        return ", ".join(filter(None, ["[link", *map(_label, map(item.get, _LINK))])) + "]", None
    inner: dict[str, Any] = item["resource"] if isinstance(item.get("resource"), dict) else item
    if kind in ("text", "resource") and isinstance(inner.get("text"), str):
        return inner["text"], None
    data = inner.get("blob", inner.get("data"))
    media_type = _label(inner.get("mimeType"))
    uri = _label(inner.get("uri"))
    file: tuple[str, bytes] | None = None
    about = [kind, media_type, uri]
    if isinstance(data, str):
        about.append(f"{len(data.rstrip('=')) * 3 // 4} bytes")
        with suppress(ValueError):
            name = uri.rpartition("/")[2] or f"{kind}{mimetypes.guess_extension(media_type) or ''}"
            file = name, base64.b64decode(data, validate=True)
    return f"[{', '.join(filter(None, [*about, 'not shown']))}]", file


_LINK: Final = ("title", "name", "uri", "mimeType", "description")


def _label(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return value[:_MAX_LABEL] if isinstance(value, str) else ""
